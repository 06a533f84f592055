"""Request fields that clients may not send: they belong to the operator.

Rule: every keyword of `litellm.acompletion`, and every name that LiteLLM takes for one of its own, is refused, whatever
the target: such a field steers where a request goes, with which credentials, and whether it goes at all. Not refused
are the parameters of OpenAI's chat completions and the providers' own switches that clients set (`thinking`,
`context_management`). A test compares this list with the installed LiteLLM.
"""

from collections.abc import Iterable

FAMILIES: tuple[str, ...] = tuple(
    """
    _ aws_ azure_ vertex_ gigachat_ watsonx_ s3_ valkey_ milvus_ arize_ dd_ langfuse_ langsmith_ newrelic_
    posthog_ signoz_ litellm_ mock_ anthropic_federation_ anthropic_identity_ anthropic_issuer_
    anthropic_keycloak_ openai_identity_ adaptive_router_ auto_router_ complexity_router_ quality_router_
    annotation_cost_per_ input_cost_per_ output_cost_per_ ocr_cost_per_ cache_creation_input_ cache_read_input_
    regional_endpoint_ regional_processing_ github_copilot_ token_exchange_
    """.split()  # noqa: SIM905 - one name a line would be three screens
)
"""Beginnings of names: credentials of clouds and loggers, LiteLLM's internals, prices, routers."""

NAMES: frozenset[str] = frozenset(
    """
    acompletion additional_drop_params aembedding aimg_generation allm_passthrough_route
    allow_client_keepalive_override allow_legacy_cloud_file_ids allowed_model_region allowed_openai_params
    anthropic_disable_workload_identity_federation anthropic_organization_id anthropic_service_account_id
    api_base api_key api_version assistant_continue_message async_call atext_completion attempted_targets azure
    base_model base_url bedrock_tags bos_token bucket_name budget_duration cache cache_key caching
    caching_groups chatgpt_auth_file citation_cost_per_token client client_id client_secret client_side_timeout
    complete_response completion_call_id configurable_clientside_auth_params context_window_fallback_dict
    cooldown_time cost_per_query cost_per_second custom_llm_provider custom_prompt_dict daily_reset_time
    data_residency default_api_key_rpm_limit default_api_key_tpm_limit deployment_id
    disable_add_transform_inline_image_block drop_params enable_json_schema_validation enable_prompt_caching
    enable_tag_filtering ensure_alternating_roles eos_token explicit_cache_read_input_token_cost extra_body
    extra_headers extra_query fallback_depth fallbacks fastest_response fedramp_uplift_multiplier
    final_prompt_value fireworks_forward_user_id force_timeout gcs_bucket_name gcs_path_service_account
    google_maps_grounding_cost_per_query guardrails headers hf_model_name humanloop_api_key id
    include_server_side_tool_invocations initial_prompt_value itpm keepalive_seconds kubernetes_pod_discovery
    log_client_error_tracebacks logger_fn max_agentic_loops max_budget max_fallbacks max_file_size_mb
    max_parallel_requests max_retries merge_reasoning_content_in_choices model_alias_map model_config
    model_file_id_mapping model_info model_list no-log num_retries openai_service_account_id order organization
    otpm output_vector_size preset_cache_key prompt_environment prompt_id prompt_label prompt_variables
    prompt_version provider_affinity_header provider_specific_header proxy_server_request region_name
    request_timeout responses_api_version retry_policy retry_strategy roles routing_strategy rpd rpm rust
    search_context_cost_per_query search_queries_cost_per_query search_tool_name secret_fields self
    shared_session silent_model ssl_verify stream_chunk_size stream_response stream_timeout
    stream_timeout_by_service_tier supports_system_message switchyard_router_config tag_regex tags tenant_id
    text_completion thought_signature_in_tool_call_id tiered_pricing timeout timeout_by_service_tier tpd tpm ttl
    turn_off_message_logging use_chat_completions_api use_client use_in_pass_through use_litellm_proxy
    use_xai_oauth user_continue_message vector_store_id verbose wandb_api_key weave_project_id weight
    """.split()  # noqa: SIM905 - one name a line would be three screens
)


def reserved(names: Iterable[str]) -> list[str]:
    """Those of the names that clients may not send."""
    return [name for name in names if name in NAMES or name.startswith(FAMILIES)]
