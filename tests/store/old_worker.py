"""A worker of an earlier version, in a process of its own; it takes commands on stdin, one a line.

``go`` routes 50 requests and reports their outcomes, ``digest`` prints the digest of everything learned, ``end``
closes the router.
"""

import sys

from banditroute import Arm, Router


def main() -> None:
    """Open the router, answer the commands, close it."""
    router = Router("svc", arms=[Arm("a"), Arm("b")], store=sys.argv[1], seed=1)
    print("ready", flush=True)
    for line in sys.stdin:
        command = line.strip()
        if command == "go":
            for number in range(50):
                decision = router.route([number / 50, 0.5])
                router.feedback(decision.id, quality=(number % 3) / 3).wait(60)
            health = router.health()
            print(health["state"], health["lost"], flush=True)
        elif command == "digest":
            router.sync()
            print(router.digest(), flush=True)
        else:
            break
    router.close()


if __name__ == "__main__":
    main()
