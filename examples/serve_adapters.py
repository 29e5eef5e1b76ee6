"""Choose which LoRA adapters a server holds and which one to call, and load them over HTTP.

A small HTTP server simulates vLLM here; with a real one, only the address changes. Run it with
``python -m examples.serve_adapters``.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import Request, urlopen

from banditroute import Arm, LinUCB, Router
from banditroute.controllers import Adapter, DoublingEpochs, EpochCache, VLLMResidency

# True quality of each adapter for a request on law, on code and on poems; the router must learn it.
QUALITY = {
    "base": (0.40, 0.40, 0.40),
    "law": (0.95, 0.30, 0.30),
    "code": (0.30, 0.95, 0.30),
    "poems": (0.30, 0.30, 0.95),
    "mixed": (0.60, 0.60, 0.60),
}
LAW, CODE, POEMS = range(3)
TIMEOUT_S = 5.0


class StandIn(BaseHTTPRequestHandler):
    """The three endpoints of vLLM that this example needs."""

    loaded: dict[str, bool]

    def do_POST(self) -> None:
        """Load or unload an adapter."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.loaded[body["lora_name"]] = self.path == "/v1/load_lora_adapter"
        self._answer("done")

    def do_GET(self) -> None:
        """Return the metrics."""
        line = 'vllm:lora_adapter_loaded{{adapter_name="{}",level="gpu"}} {:d}\n'
        self._answer("".join(line.format(*item) for item in self.loaded.items()))

    def log_message(self, *_: object) -> None:
        """Write no log."""

    def _answer(self, text: str) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())


def ask(url: str, **body: str) -> str:
    """Send a GET, or a POST if there is a body, with a timeout; return the answer."""
    data = json.dumps(body).encode() if body else None
    request = Request(url, data, {"Content-Type": "application/json"})  # noqa: S310  # our own address
    with urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
        return str(answer.read().decode())


def carry_out(cache: EpochCache, residency: VLLMResidency, server: str) -> str:
    """Apply the plan of the cache to the server, read back its adapters, and describe the changes."""
    plan = cache.plan()
    for arm in plan.to_evict:
        ask(f"{server}/v1/unload_lora_adapter", lora_name=arm)
    for arm in plan.to_load:
        ask(f"{server}/v1/load_lora_adapter", lora_name=arm, lora_path=f"adapters/{arm}")
    residency.update(ask(f"{server}/metrics"))
    return f"unload {', '.join(plan.to_evict) or 'nothing'}; load {', '.join(plan.to_load) or 'nothing'}"


def serve(server: str) -> None:
    """Route requests whose subjects change, and update the adapters of the server."""
    residency = VLLMResidency()
    adapters = {name: Adapter(load_s=1.5) for name in QUALITY if name != "base"}
    cache = EpochCache(
        adapters,
        capacity=2,
        utility_per_second=0.1,
        epochs=DoublingEpochs(first=50, forced=0.5, repeats=2),
        residency=residency,
        initial=["mixed"],
    )
    arms = [Arm(name) for name in QUALITY]
    with Router("adapters", arms=arms, policy=LinUCB(alpha=3.0), controllers=[cache], intercept=False) as router:
        print("at first:", carry_out(cache, residency, server))
        epoch = 0
        for number in range(1600):
            subject = (LAW, CODE)[number % 2] if number < 800 else (CODE, POEMS)[number % 2]
            x = [float(subject == each) for each in (LAW, CODE, POEMS)]
            decision = router.route(x, key=f"request {number}")
            router.feedback(decision.id, quality=QUALITY[decision.arm][subject])
            if cache.epoch > epoch:
                epoch = cache.epoch
                print(f"after epoch {epoch}:", carry_out(cache, residency, server))
            if number in (799, 1599):
                print(f"after {number + 1} requests the GPU holds:", ", ".join(sorted(cache.resident)))
        print("why:", str(router.why(decision.id)).splitlines()[-2])


def main() -> None:
    """Start the simulated server, serve, and close everything."""
    handler = type("Handler", (StandIn,), {"loaded": {}})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            serve(f"http://127.0.0.1:{server.server_address[1]}")
        finally:
            server.shutdown()
            thread.join()


if __name__ == "__main__":
    main()
