"""The edge gateway: what it answers, and that it holds under load while a worker is killed."""

import asyncio
import itertools
import json
import os
import signal
import time
import urllib.request
from dataclasses import asdict

import pytest

from examples.edge_gateway import load, settings, shared
from examples.edge_gateway.app import create_app
from examples.edge_gateway.pops import Pops, all_pops
from examples.edge_gateway.upstream import Upstream
from fastblocks.geo.distance import haversine
from tests.limit.asgi_client import call, scope_of, status_and_headers

VIENNA = "lat=48.2&lng=16.37"


def read(tmp_path, *arguments):
    return settings.read([f"--state={tmp_path}", "--origin-ms=0", *arguments])


def made(tmp_path, *arguments, fetch=None):
    """An application, as a worker makes it."""
    given = read(tmp_path, *arguments)
    shared.prepare(given)
    return create_app(given, fetch)


def get(app, path, **more):
    """(status, headers, what the JSON says) of a request."""
    sent = call(app, path, **more)
    return *status_and_headers(sent), json.loads(b"".join(m.get("body", b"") for m in sent[1:]))


def post(app, body):
    """The same of a request with a body."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope_of("/events", "POST"), receive, send))
    return *status_and_headers(sent), json.loads(sent[1]["body"])


# ---- what it answers -----------------------------------------------------------------------------


def test_an_object(tmp_path):
    app = made(tmp_path)
    status, headers, body = get(app, f"/objects/a/b?{VIENNA}")
    assert status == 200
    assert body["key"] == "a/b"
    assert body["shard"] == headers["x-shard"]
    assert (headers["x-cache"], headers["age"], headers["x-worker"]) == ("miss", "0", "0")
    assert headers["x-pop"] == "VIE; km=18"
    assert headers["ratelimit-policy"] == '"default";q=600;w=60'
    status, headers, again = get(app, "/objects/a/b")
    assert (status, headers["x-cache"], again) == (200, "hit", body)
    assert "x-pop" not in headers


def test_blocks_that_are_off(tmp_path):
    app = made(tmp_path, "--blocks=")
    bodies = []
    for _ in range(2):
        status, headers, body = get(app, f"/objects/a?{VIENNA}")
        bodies.append(body["made"])
        assert (status, body["shard"]) == (200, "shard-0")
        assert not {"x-pop", "x-cache", "ratelimit"} & headers.keys()
    assert bodies[0] < bodies[1]
    assert get(app, "/pops")[0] == 404
    assert post(app, b'{"ids": ["a", "a"]}')[2] == {"new": ["a", "a"]}
    _, _, figures = get(app, "/stats.json")
    assert (figures["limit"], figures["hot_keys"], figures["clients"]) == ("off", [], None)


def test_one_load_for_all_who_wait(tmp_path):
    asked = []

    async def fetch(shard, key):
        asked.append((shard, key))
        await asyncio.sleep(0)
        return b"{}"

    app = made(tmp_path, fetch=fetch)
    sent = []

    async def ask():
        async def receive():
            return {"type": "http.request"}

        async def send(message):
            sent.append(message)

        await app(scope_of("/objects/tea"), receive, send)

    async def together():
        await asyncio.gather(*(ask() for _ in range(20)))

    asyncio.run(together())
    assert [key for _, key in asked] == ["tea"]
    assert [m["status"] for m in sent if "status" in m] == [200] * 20


@pytest.mark.parametrize("blocks", ["cache,ring", "ring", ""])
def test_a_shard_that_fails(tmp_path, blocks):
    failures = [ConnectionRefusedError("refused"), asyncio.TimeoutError()]

    async def fetch(shard, key):
        if failures:
            raise failures.pop()
        return b"{}"

    app = made(tmp_path, f"--blocks={blocks}", fetch=fetch)
    for why in ("TimeoutError", "refused"):
        status, _, body = get(app, "/objects/tea")
        assert status == 502
        assert body["error"].endswith(f"did not answer: {why}")
    assert get(app, "/objects/tea")[0] == 200


def test_loads_are_bounded(tmp_path):
    """Keys that are all at home on one shard are loaded from several at once."""
    gate, shards = asyncio.Event(), []

    async def fetch(shard, key):
        shards.append(shard)
        await gate.wait()
        return b"{}"

    upstream = Upstream(4, fetch, use_ring=True)
    ring = upstream._ring
    keys = [key for key in map(str, range(400)) if ring.get(key) == "shard-1"][:16]

    async def together():
        loads = [asyncio.create_task(upstream.load(key)) for key in keys]
        await asyncio.sleep(0)
        assert sum(ring.loads.values()) == 16
        assert max(ring.loads.values()) <= 5  # ceil(1.25 * 16 / 4)
        gate.set()
        await asyncio.gather(*loads)

    asyncio.run(together())
    assert sum(ring.loads.values()) == 0
    assert sorted(shards) == sorted(upstream.loads.elements())


def test_points_of_presence(tmp_path):
    app = made(tmp_path)
    pops = get(app, "/pops")[2]
    assert len(pops) == len(all_pops()) > 300
    status, _, found = get(app, "/pops?lat=-17.8&lng=179.99&k=5")
    assert status == 200
    lats, lngs = [pop["lat"] for pop in pops], [pop["lng"] for pop in pops]
    metres = haversine(-17.8, 179.99, lats, lngs)
    assert [pop["km"] * 1000 for pop in found] == sorted(metres.tolist())[:5]
    assert get(app, f"/pops?{VIENNA}")[2][0]["city"] == "Vienna, AT"
    assert Pops().nearest(51.5, -0.1)[0][0].city == "London, GB"


def test_events(tmp_path):
    app = made(tmp_path, "--workers=2")
    other = create_app(read(tmp_path, "--workers=2"))
    assert post(app, b'{"ids": ["a", "b", "a"]}')[2] == {"new": ["a", "b"]}
    status, headers, body = post(other, b'{"ids": ["b", "c", "\\u00e9"]}')
    assert (status, headers["x-worker"], body) == (200, "1", {"new": ["c", "é"]})
    assert post(app, b'{"ids": ["c", "d"]}')[2] == {"new": ["d"]}
    assert post(app, b'{"ids": []}')[2] == {"new": []}


def test_slots(tmp_path):
    first = made(tmp_path, "--workers=1")
    second = create_app(read(tmp_path, "--workers=1"))  # as before the first ends, at a reload
    with pytest.raises(RuntimeError, match=r"all 2 slots of .* belong to other workers"):
        create_app(read(tmp_path, "--workers=1"))
    assert [post(app, b'{"ids": ["a"]}')[2]["new"] for app in (first, second)] == [["a"], []]


def test_limit(tmp_path):
    app, other = (made(tmp_path, "--workers=2", "--limit=5/day") for _ in range(2))
    statuses = [get(one, "/objects/a")[0] for one in (app, other) * 4]
    assert statuses == [200] * 5 + [429] * 3
    assert get(app, "/objects/a", peer="192.0.2.7")[0] == 200
    assert post(app, b'{"ids": ["a"]}')[0] == 429
    assert [get(app, path)[0] for path in ("/health", "/stats.json", "/pops")] == [200] * 3


def test_clients_behind_a_proxy(tmp_path):
    app = made(tmp_path, "--limit=1/day", "--trusted-proxies=10.0.0.0/8, 192.0.2.1")
    for client, status in [("6.6.6.1", 200), ("6.6.6.2", 200), ("6.6.6.1", 429)]:
        assert get(app, "/objects/a", headers={"x-forwarded-for": client})[0] == status


def test_limit_on_a_server(tmp_path):
    from bench.limit.server import Server, programs

    with Server(programs()["valkey"]) as server:
        app = made(tmp_path, f"--redis={server.url}", "--limit=3/day", "--workers=1")
        statuses = []

        async def send(message):
            statuses.append(message.get("status"))

        async def together():
            async with app.router.lifespan_context(app):
                for _ in range(4):
                    await app(scope_of("/objects/a"), None, send)

        asyncio.run(together())
        assert statuses[::2] == [200] * 3 + [429]
    assert not (tmp_path / "limits").exists()


def test_figures(tmp_path):
    app = made(tmp_path, "--workers=2", "--limit=7/day")
    other = create_app(read(tmp_path, "--workers=2", "--limit=7/day"))
    for i in range(9):
        get(app if i % 3 else other, f"/objects/{i % 2}?{VIENNA}")
    get(other, "/stats.json")
    status, headers, figures = get(app, "/stats.json")
    assert (status, headers["cache-control"], figures["answered_by"]) == (200, "no-store", 0)
    first, second = figures["workers"]
    assert (first["slot"], second["slot"], first["pid"]) == (0, 1, os.getpid())
    assert first["count"]["requests"] + second["count"]["requests"] == 7
    assert first["cache"]["hits"] + second["cache"]["hits"] == 3
    assert first["limit"] == {"allowed": 4, "denied": 2}
    assert sum(first["loads"].values()) == first["cache"]["loads"] == 2
    assert figures["clients"] == 1
    assert figures["denied"] == [["192.0.2.1", 2]]
    hot = {item["key"]: round(item["count"]) for item in figures["hot_keys"]}
    assert hot == {"0": 4, "1": 3}
    assert [(pop["code"], round(pop["count"])) for pop in figures["hot_pops"]] == [("VIE", 7)]


def test_the_page(tmp_path):
    sent = call(made(tmp_path), "/stats")
    status, headers = status_and_headers(sent)
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"prefers-color-scheme: dark" in sent[1]["body"]
    assert b"innerHTML" not in sent[1]["body"]


# ---- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/objects/", 400, "key must have 1 to 512 characters, not 0"),
        (f"/objects/{'x' * 513}", 400, "key must have 1 to 512 characters, not 513"),
        ("/objects/a?lat=1", 400, "lat and lng must be given together"),
        ("/objects/a?lat=91&lng=0", 400, "lat must be a number in [-90, 90], not '91'"),
        ("/objects/a?lat=nan&lng=0", 400, "lat must be a number in [-90, 90], not 'nan'"),
        ("/pops?lat=0&lng=west", 400, "lng must be a number in [-180, 180], not 'west'"),
        ("/pops?lat=0&lng=0&k=0", 400, "k must be a whole number in [1, 100], not '0'"),
        ("/pops?lat=0&lng=0&k=1.5", 400, "k must be a whole number in [1, 100], not '1.5'"),
        ("/events", 405, "Method Not Allowed"),
        ("/elsewhere", 404, "Not Found"),
    ],
)
def test_bad_requests(tmp_path, path, status, error):
    told, headers, body = get(made(tmp_path), path)
    assert (told, headers["content-type"], body) == (status, "application/json", {"error": error})


MANY = json.dumps({"ids": ["a"] * 1001}).encode()
FORM = 'the body must be JSON of the form {"ids": ["...", ...]}'


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b"", 400, FORM),
        (b"\xff", 400, FORM),
        (b"[]", 400, FORM),
        (b"{}", 400, FORM),
        (b"[" * 60_000, 400, FORM),
        (b'{"ids": "a"}', 400, "ids must be a list of at most 1000 texts"),
        (
            json.dumps({"ids": ["a"] * 1001}).encode(),
            400,
            "ids must be a list of at most 1000 texts",
        ),
        (b'{"ids": ["a", 1]}', 400, "ids[1] must be a text of 1 to 512 characters"),
        (b'{"ids": [""]}', 400, "ids[0] must be a text of 1 to 512 characters"),
        (b'{"ids": ["\\ud800"]}', 400, "ids[0] must be a text of 1 to 512 characters"),
        (b" " * 65_537, 413, "the body must have at most 65536 bytes"),
    ],
)
def test_bad_events(tmp_path, body, status, error):
    app = made(tmp_path)
    assert post(app, body)[::2] == (status, {"error": error})
    assert post(app, b'{"ids": ["a"]}')[2] == {"new": ["a"]}  # nothing was added


@pytest.mark.parametrize(
    ("argument", "error"),
    [
        ("--port=x", "argument --port: must be a whole number in [0, 65535], not 'x'"),
        ("--workers=0", "argument --workers: must be a whole number in [1, 64], not '0'"),
        ("--ttl=nan", "argument --ttl: must be a number in [0.001, 1e+06], not 'nan'"),
        ("--ttl=9", "argument --refresh-after: must be below --ttl, not 10"),
        ("--blocks=cash", "must be some of limit,topk,geo,ring,cache,events, not 'cash'"),
        ("--limit=many", "argument --limit: "),
        ("--redis=http://x", "argument --redis: "),
        ("--trusted-proxies=here", "trusted_proxies must be addresses or networks: 'here'"),
    ],
)
def test_bad_settings(monkeypatch, capsys, argument, error):
    with pytest.raises(SystemExit):
        settings.read([argument])
    assert error in capsys.readouterr().err
    name, _, value = argument[2:].partition("=")
    monkeypatch.setenv(settings.variable(name), value)  # as a variable it is told the same
    with pytest.raises(SystemExit):
        settings.read()
    assert error in capsys.readouterr().err


def test_settings_for_the_workers(monkeypatch, tmp_path):
    given = read(tmp_path, "--limit=7/hour", "--ttl=90.5", "--blocks=")
    for name in asdict(given):
        monkeypatch.setenv(settings.variable(name), "")  # so that it is as before afterwards
    settings.export(given)
    assert settings.read() == given
    assert settings.read(["--limit=8/hour"]).limit == "8/hour"


def test_without_a_prepared_state(tmp_path):
    with pytest.raises(ValueError, match="state must be a prepared folder"):
        create_app(settings.read())
    with pytest.raises(FileNotFoundError):
        create_app(read(tmp_path))


def test_state_of_other_settings(tmp_path):
    shared.prepare(read(tmp_path))
    shared.prepare(read(tmp_path, "--workers=6"))
    with pytest.raises(ValueError, match="limits"):
        shared.prepare(read(tmp_path, "--limit=7/hour"))
    with pytest.raises(ValueError, match=r"events-0 is for 100000 events in 600 s, not for .* 9 s"):
        shared.prepare(read(tmp_path, "--event-window=9"))


# ---- under load ----------------------------------------------------------------------------------

LIMIT, WORKERS = 300, 4
PLAIN = load.mixed(clients=60_000, keys=2000)  # of none so many as to be limited


@pytest.fixture(scope="module")
def url():
    with load.gateway(limit=f"{LIMIT}/day", workers=WORKERS, origin_ms=1) as started:
        yield started


def by_slot(url):
    return {worker["slot"]: worker for worker in load.get_json(f"{url}/stats.json")["workers"]}


def new_events(url, *ids):
    """Those that the gateway takes for new, asked on a connection of their own."""
    body = json.dumps({"ids": ids}).encode()
    with urllib.request.urlopen(f"{url}/events", body, timeout=load.GUARD) as response:
        return json.load(response)["new"]


def ask(url, *running):
    """Send requests to the gateway, each iterable of them on a connection, for its result."""

    async def together():
        asking = [
            load.ask_all(*load.address_of(url), iter(requests), result)
            for requests, result in running
        ]
        await asyncio.wait_for(asyncio.gather(*asking), 2 * load.GUARD)

    asyncio.run(together())


def test_under_load(url):
    result = load.Result()

    def until_all_answer():
        """For two seconds, and until each of the workers has answered."""
        start = time.monotonic()
        for data in itertools.cycle(PLAIN):
            passed = time.monotonic() - start
            if passed > (2 if len(result.workers) == WORKERS else load.GUARD):
                return
            yield data

    ask(url, *((until_all_answer(), result) for _ in range(16)))
    assert (result.errors, result.resets) == ([], 0)
    assert result.statuses == {200: len(result.latencies)}
    assert sorted(result.workers) == ["0", "1", "2", "3"]
    until = time.monotonic() + load.GUARD
    while time.monotonic() < until:  # each worker tells its figures once a second
        workers = by_slot(url).values()
        if sum(worker["count"].get("requests", 0) for worker in workers) == len(result.latencies):
            break
    assert {slot: by_slot(url)[int(slot)]["count"]["requests"] for slot in result.workers} == (
        result.workers
    )
    assert any(worker["cache"]["hits"] for worker in workers)


def test_the_table(url, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["load", "--url", url, "--seconds=0.2", "--connections=2"])
    load.main()
    assert "running" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["load", "--url", "here"])
    with pytest.raises(SystemExit):
        load.main()
    assert "url must be of the form http://127.0.0.1:8000, not 'here'" in capsys.readouterr().err


def test_a_worker_is_killed_under_load(url):
    """All goes on, and the limits are exact: meanwhile, and when there is another worker."""
    slot, killed = 1, []
    greedy = {load.request("/objects/a", f"172.16.0.{i}"): load.Result() for i in range(4)}
    others = load.Result()
    pids = {slot: worker["pid"] for slot, worker in by_slot(url).items()}
    assert new_events(url, "once") == ["once"]

    def until_it_is_back():
        """Plain requests; when some hundreds are answered, one ends a worker."""
        last = time.monotonic() + load.GUARD
        for data in itertools.cycle(PLAIN):
            results = [others, *greedy.values()]
            if not killed and sum(len(result.latencies) for result in results) > 500:
                assert not any(result.statuses[429] for result in results)  # in mid-count
                os.kill(pids[slot], signal.SIGKILL)
                killed.append(slot)
                others.workers.clear()
            if (killed and others.workers[str(slot)] > 10) or time.monotonic() > last:
                return
            yield data

    ask(
        url,
        *(([data] * 150, result) for data, result in greedy.items() for _ in range(4)),
        *((until_it_is_back(), others) for _ in range(4)),
    )
    assert killed
    assert by_slot(url)[slot]["pid"] not in pids.values()
    assert others.errors == []
    assert others.statuses.keys() == {200}
    for result in greedy.values():  # what was admitted, and its answer lost, is asked for again
        assert result.errors == []
        assert result.statuses[200] + result.statuses[429] == 600
        assert LIMIT - result.resets <= result.statuses[200] <= LIMIT
        assert result.resets + others.resets <= 8

    later, denied, until = load.Result(), 0, time.monotonic() + load.GUARD
    while not denied and time.monotonic() < until:
        ask(url, *(([data] * 50, later) for data in greedy for _ in range(4)))
        denied = by_slot(url)[slot]["limit"]["denied"]
    assert denied  # by the new worker, too
    assert (later.statuses.keys(), later.resets) == ({429}, 0)
    assert new_events(url, "once", "more") == ["more"]
