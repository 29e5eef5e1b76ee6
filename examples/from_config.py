"""Open a router from a configuration file; variables of the environment override the file."""

from pathlib import Path

from banditroute.errors import InvalidArgumentError
from banditroute.integrations.settings import RouterSettings

FILE = Path(__file__).with_name("router.toml")

settings = RouterSettings.read(FILE, environment={"BANDITROUTE_PREFERENCES__COST_USD": "0.1"})
with settings.router(store=None) as router:  # arguments of Router replace settings
    print(router)
    print("preferences:", dict(router.preferences))
    decision = router.route({"length": 0.3, "has_code": 1.0})
    router.feedback(decision.id, quality=0.9, prompt_tokens=900, output_tokens=250)

try:
    RouterSettings.read(FILE, environment={"BANDITROUTE_POLICY__ALHPA": "2"})
except InvalidArgumentError as error:
    print("refused:", str(error).replace(str(FILE), FILE.name))
