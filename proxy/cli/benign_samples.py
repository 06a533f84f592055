"""Ordinary text as models write it. It contains no secrets, so a rule that matches it would damage real answers."""

from collections.abc import Mapping
from typing import Final

ENGLISH: Final = """\
Sure! Here is a short overview. The harbour of Keelung was opened to foreign trade in 1863, and by 1900 it handled more
than 60 percent of the island's exports. There are three things to keep in mind: the weather changes quickly (it rains
on roughly 200 days a year), the ferries run from 6:30 to 22:15, and tickets cost about $12.50 each way.

1. Book at least two weeks ahead; version 2.0.1 of the timetable is from 2024-03-15.
2. Bring a passport or another card with your name on it. The office is on the 4th floor, room 402.
3. If you're travelling with children under 12, they pay half.

In general, E = mc^2 tells us that mass and energy are equivalent. Water boils at 100 °C (212 °F), and light travels
at 299,792,458 metres per second. Dr. O'Brien's paper "On the evaluation of long-running processes" (pp. 112-118, ISBN
978-3-16-148410-0) argues that passwords should be long, not complicated, and that the secret of a good key is its
length. I hope this helps; let me know if you have any other questions about the address, the phone system or the order.
"""

CHINESE: Final = """\
好的，以下是簡單的說明。基隆港在1863年開放對外通商，到了1900年已經處理全島超過六成的出口貨物。出發前請注意三件事：天氣多變（一年大約有200天下雨）、
渡輪從早上6:30開到晚上10:15，單程票價約新台幣380元。請攜帶有姓名的證件，辦公室在四樓402室，服務時間是週一到週五。
如果忘記密碼，可以在登入頁面重新設定；身分證影本只需要正面。他說：「我們公司去年的營收成長了12.5%。」這個方法的優點是容易理解，缺點是速度比較慢。
机器学习模型的训练通常需要大量的数据。首先，把数据分成训练集和测试集；然后选择合适的参数，例如学习率0.001和批次大小32；最后评估结果。
"""

CODE: Final = '''\
```python
import json
from dataclasses import dataclass

@dataclass(frozen=True)
class Order:
    """An order with its lines."""
    id: int
    email: str | None = None

def total(lines: list[dict[str, float]], *, rate: float = 0.05) -> float:
    subtotal = sum(line["price"] * line["count"] for line in lines)
    return round(subtotal * (1 + rate), 2)

def evaluate(model, inputs):
    model.eval()
    return [model(x) for x in inputs if x is not None]

if __name__ == "__main__":
    with open("/tmp/orders.json", encoding="utf-8") as file:
        orders = json.load(file)
    print(f"{len(orders)} orders, total {total(orders):,.2f}")
```
```sh
docker run --rm -p 8080:8080 -v "$PWD/data:/data" registry.example.com/app:1.4.2
git commit -m "Fix #1024: retry on timeout" && curl -s http://localhost:8080/healthz | jq .status
```
```sql
SELECT u.id, count(*) AS n FROM users u LEFT JOIN orders o ON o.user_id = u.id WHERE u.created_at >= '2024-01-01';
```
'''

TEXTS: Final[Mapping[str, str]] = {"English": ENGLISH, "Chinese": CHINESE, "code": CODE}
"""The samples by the names that users see."""
