"""Sample texts of the simulator.

All people, numbers and keys in them are made up: addresses at example.com, card and IBAN numbers from public test
ranges, an identity number with a valid check digit that belongs to nobody, and keys that say that they are fake.
"""

GREETING = "Hello! I am Sluice's simulator: I stand in for a provider, and nothing here costs anything. "

PERSONAL = (
    "Here is the contact sheet you asked for. Alice Example, alice@example.com, phone +1 (555) 010-9999, paid with "
    "card 4111 1111 1111 1111. Her account is GB82 WEST 1234 5698 7654 32. Bob's new address is "
    "bob.chen@mail.example.com. "
)

CHINESE = (
    "您好,以下是客戶資料:王小明的身分證字號是 A123456789,電子郵件 ming@example.com,手機 0912-345-678,"
    "登入密碼為 Simulated-Pa55word。請勿外流。"
)

SECRETS = (
    "Put this into your .env file: OPENAI_API_KEY=sk-proj-SIMULATED0000notAKey1111notAKey2222abcdEFGH and "
    "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE. The GitHub token is ghp_SIMULATED0000notAToken1111notATokens. "
)

CODE = (
    "The function below reads a number. Never run the second one on input you do not trust.\n\n"
    "```python\n"
    "def read(text: str) -> int:\n"
    "    return int(text)\n\n\n"
    "def careless(text: str) -> object:\n"
    '    return eval(text)  # mail to "ops@example.com" before you use this\n'
    "```\n\n"
)

PROSE = (
    "A sluice is a gate that holds water back or lets it through. Whoever keeps it decides how much may pass, watches "
    "the level on both sides, and shuts it at once when the river rises. "
)

REASONING = (
    "The user wants an answer. I should check what I know about alice@example.com before I say anything, and keep it "
    "short. "
)

REFUSAL = "I'm sorry, but I can't help with that."

CHAT = GREETING + PERSONAL + CHINESE
EVERYTHING = PERSONAL + SECRETS + CODE + CHINESE
LONG = PROSE + CHINESE
