"""Stands for the Modal CLI at the process boundary: its command line, what it prints, its secrets and apps.

    modal_double.py SETUP ARGS...

SETUP is JSON: `{edge, state, deno, script}`. A deployed script is run with a `modal` module that writes down what
it is told; the program that it starts is then really started here, with the container's paths in place of its own,
and nothing in its environment but the secrets. Scripts: `ok`, `fail`, `no-token`, `no-url`, `nowhere` (an address
behind which nobody is).
"""

import http.client
import json
import os
import shlex
import signal
import stat
import subprocess
import sys
import time
import types
import urllib.parse

SETUP = json.loads(sys.argv[1])
ARGS = sys.argv[2:]
STATE = SETUP["state"]
APP_ID = "ap-0123456789abcdefABCDEF"


def path(name):
    return os.path.join(STATE, name)


def read(name, default):
    try:
        with open(path(name)) as file:
            return json.load(file)
    except FileNotFoundError:
        return default


def write(name, value):
    with open(path(name), "w") as file:
        json.dump(value, file)


class Recorder:
    """Takes every call and keeps it."""

    def __init__(self, calls):
        self.calls = calls

    def __getattr__(self, name):
        def call(*args, **kwargs):
            self.calls.append((name, args, kwargs))
            return self

        return call


def load(script):
    """Runs a script as Modal does: imported, and its web function called."""
    found = {"image": [], "secrets": [], "volumes": [], "popen": None, "function": None, "web": None}
    modal = types.ModuleType("modal")

    class App:
        def __init__(self, name):
            found["name"] = name

        def function(self, **kwargs):
            kwargs.pop("image")
            found["function"] = kwargs
            return lambda inner: inner

    class Secret:
        @staticmethod
        def from_name(name):
            found["secrets"].append(name)
            return name

    class Volume:
        @staticmethod
        def from_name(name, create_if_missing=False):
            found["volumes"].append(name)
            return name

    def web_server(port, startup_timeout=5.0):
        found["web"] = [port, startup_timeout]

        def keep(inner):
            found["call"] = inner
            return inner

        return keep

    modal.App, modal.Secret, modal.Volume = App, Secret, Volume
    modal.Image = Recorder(found["image"])
    modal.concurrent = lambda max_inputs: (lambda inner: inner)
    modal.web_server = web_server
    sys.modules["modal"] = modal
    with open(script) as file:
        source = file.read()
    exec(compile(source, script, "exec"), {"__name__": "app"})
    subprocess.Popen, real = (lambda command, cwd: found.update(popen=[command, cwd])), subprocess.Popen
    try:
        found.pop("call")()
    finally:
        subprocess.Popen = real
    return found


def here(found):
    """The container's paths, as they are on this machine."""
    places = {}
    for name, args, _ in found["image"]:
        if name in ("add_local_dir", "add_local_file"):
            places[args[1]] = args[0]

    def local(text):
        for remote, real in places.items():
            if text == remote or text.startswith(remote + "/"):
                return real + text[len(remote):]
        return text

    return local


def environment():
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "DENO_DIR") if name in os.environ}
    return keep


def build(found):
    local = here(found)
    for name, args, _ in found["image"]:
        if name != "run_commands":
            continue
        command = [local(word) for word in shlex.split(args[0])]
        done = subprocess.run([SETUP["deno"], *command[1:]], env=environment(), capture_output=True, text=True)
        if done.returncode != 0:
            print("Image build failed: " + done.stderr)
            sys.exit(1)


def container():
    """A container: the program, and its way to the edge."""
    job = read("container.json", None)
    variables = {}
    for name in job["secrets"]:
        variables.update(read("secret-" + name + ".json", {}))
    child = subprocess.Popen(job["command"], cwd=job["cwd"], env={**environment(), **variables}, stdout=subprocess.PIPE, text=True)

    def end(*_):
        child.terminate()
        child.wait()
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    for line in child.stdout:
        if '"did":"listen"' in line:
            port = json.loads(line[line.index("{"):])["port"]
            break
    else:
        os._exit(1)
    edge = urllib.parse.urlparse(SETUP["edge"])
    link = http.client.HTTPConnection(edge.hostname, edge.port)
    link.request("POST", "/connect", json.dumps({"hostname": job["hostname"], "origin": f"http://127.0.0.1:{port}"}))
    answer = link.getresponse()
    write("connected.json", True)
    answer.read()
    end()


def start(found, hostname):
    local = here(found)
    command, cwd = found["popen"]
    job = json.loads(command[-1])
    assert [job["host"], job["port"], found["web"][0]] == ["0.0.0.0", 8000, 8000]
    job.update(host="127.0.0.1", port=0, file="file://" + urllib.parse.quote(local(urllib.parse.unquote(job["file"][7:]))))
    words = [SETUP["deno"], *[local(word) for word in command[1:-1]], json.dumps(job)]
    write("container.json", {"command": words, "cwd": local(cwd), "secrets": found["secrets"], "hostname": hostname})
    if os.path.exists(path("connected.json")):
        os.remove(path("connected.json"))
    child = subprocess.Popen(
        [sys.executable, __file__, sys.argv[1], "_container"],
        start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    while not os.path.exists(path("connected.json")):
        if child.poll() is not None:
            print("Runner failed: the web server did not start")
            sys.exit(1)
        time.sleep(0.02)
    return child


def stop(name):
    apps = read("apps.json", {})
    app = apps.get(name)
    if app is None:
        return False
    if app["pid"] is not None:
        try:
            os.kill(app["pid"], signal.SIGTERM)
        except ProcessLookupError:
            pass
    apps[name] = {"state": "stopped", "pid": None}
    write("apps.json", apps)
    return True


def deploy(serving):
    script = ARGS[-1]
    if SETUP["script"] == "no-token":
        print("Error: Token missing. Could not authenticate client.", file=sys.stderr)
        sys.exit(1)
    if SETUP["script"] == "fail":
        print("Error: the image cannot be built", file=sys.stderr)
        sys.exit(1)
    found = load(script)
    name = ARGS[ARGS.index("--name") + 1] if "--name" in ARGS else found["name"]
    write("found.json", {**found, "image": [[one, list(args)] for one, args, _ in found["image"]]})
    build(found)
    hostname = "tests--" + name.lower() + "-task-app" + ("-dev" if serving else "") + ".modal.run"
    child = None if SETUP["script"] == "nowhere" else start(found, hostname)
    apps = read("apps.json", {})
    apps[APP_ID if serving else name] = {
        "state": "ephemeral" if serving else "deployed",
        "pid": None if child is None else child.pid,
    }
    write("apps.json", apps)
    if serving:
        print("✓ Initialized. View run at https://modal.com/apps/tests/main/" + APP_ID)
    print("✓ Created objects.\n├── 🔨 Created mount")
    if SETUP["script"] != "no-url":
        print("└── 🔨 Created web function task_app\n    └── https://" + hostname + " (unauthenticated)")
    if not serving:
        print("✓ App deployed in 1.234s! 🎉\n")
        print("View Deployment: https://modal.com/apps/tests/main/deployed/" + name)
        return

    def end(*_):
        stop(APP_ID)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    sys.stdout.flush()
    while True:
        signal.pause()


def main():
    with open(path("calls.jsonl"), "a") as file:
        file.write(json.dumps({"args": ARGS, "env": dict(os.environ)}) + "\n")
    if ARGS[:2] == ["secret", "create"]:
        source, name = ARGS[-2], ARGS[-1]
        assert stat.S_IMODE(os.stat(source).st_mode) == 0o600
        with open(source) as file:
            write("secret-" + name + ".json", json.load(file))
    elif ARGS[0] in ("deploy", "serve"):
        deploy(ARGS[0] == "serve")
    elif ARGS[:2] == ["app", "list"]:
        rows = [
            {"app_id": name if name == APP_ID else "ap-x", "description": name, "state": app["state"], "tasks": "0"}
            for name, app in read("apps.json", {}).items()
        ]
        print(json.dumps(rows))
    elif ARGS[:2] == ["app", "stop"]:
        if not stop(ARGS[-1]):
            print("Error: No App with name " + ARGS[-1], file=sys.stderr)
            sys.exit(1)
    elif ARGS[:2] == ["app", "logs"]:
        print("log of " + ARGS[-1])
    else:
        sys.exit(2)


if ARGS == ["_container"]:
    container()
else:
    main()
