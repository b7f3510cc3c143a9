"""Peers that take what others need: connections, time, places to watch from."""

import time
from concurrent.futures import ThreadPoolExecutor

from peer import Answer, reset

MANY = 200


def settles(server, before, within=25):
    """Whether threads and files are as many again, or nearly, once all have left."""
    start = time.monotonic()
    while time.monotonic() - start < within:
        _, threads, files = server.status()
        # Networks that were opened by a picture stay, with their threads.
        if threads <= before[1] + 8 and files <= before[2] + 8:
            return True
        time.sleep(0.5)
    return False


def hold(tally, server, name, data):
    """Many connections that stay as they are: a visitor is served all the same."""
    held = []
    for _ in range(MANY):
        sock = server.connect()
        try:
            sock.sendall(data)
        except OSError:
            pass
        held.append(sock)
    # Each of the many counts as one that should have kept the visitors out.
    for i in range(5):
        tally.check(f"{MANY} {name}, visitor {i}", server.visited(3), "is not served")
    tally.check(f"{MANY} {name}, a visitor from elsewhere", server.visited(3, "127.0.0.2"), "is not served")
    threads = server.status()[1]
    tally.check(f"{MANY} {name}: threads", threads < 150, f"{threads}")
    for sock in held:
        sock.close()


def idle(tally, server):
    "200 connections from one address"
    post = server.head("POST /do", server.origin + "Content-Length: 1000\r\n")
    hold(tally, server, "that send nothing", b"")
    hold(tally, server, "that begin a head", server.head("GET /")[:-6])
    hold(tally, server, "that do not send their body", post + b"{")
    asked = server.head("POST /do", server.origin + "Content-Length: 1000\r\nExpect: 100-continue\r\n")
    hold(tally, server, "that ask whether their body is wanted and do not send it", asked)
    hold(tally, server, "strangers that do not send their body", server.head("POST /do", "Content-Length: 1000\r\n"))
    hold(tally, server, "that send noise", b"\x16\x03\x01")


def resets(tally, server):
    "connections that break off"
    big = server.head("GET /edit")
    for data in (b"", server.head("GET /")[:20], big, server.head("POST /photo", server.origin + "Content-Length: 99999\r\n") + b"x" * 999):
        for _ in range(50):
            sock = server.connect()
            sock.sendall(data)
            reset(sock)
        tally.check(f"50 with {len(data)} bytes", server.visited(), "no visitor is served")


def guesses(tally, server):
    "200 at once that guess the token"
    wrong = server.head("GET /?token=00000000", token=False)
    with ThreadPoolExecutor(MANY) as pool:
        answers = [pool.submit(server.raw, wrong) for _ in range(MANY)]
        tally.check("a visitor from elsewhere meanwhile", server.visited(8, "127.0.0.2"), "is not served")
        told = [answer.result().status for answer in answers]
    tally.check("none is let in", all(status in (0, 401, 503) for status in told), f"{sorted(set(told))}")
    tally.check("a visitor from the same address", server.visited(), "is not served")


def watch(server, buffer=None):
    sock = server.connect(buffer=buffer)
    sock.sendall(server.head("GET /stream.mjpg"))
    return sock


def never_read(tally, server):
    "viewers that never read"
    start = time.monotonic()
    stuck = [watch(server, 4096) for _ in range(4)]
    time.sleep(1)
    seen = False
    while not seen and time.monotonic() - start < 30:
        sock = watch(server)
        sock.settimeout(5)
        try:
            got = b""
            while len(got) < 20000 and (part := sock.recv(1 << 16)):
                got += part
            seen = Answer(got, 0, False).status == 200 and len(got) >= 20000
        except OSError:
            pass
        sock.close()
        if not seen:
            time.sleep(0.5)
    took = time.monotonic() - start
    tally.check("4 that never read, and one who does", seen and took < 20, f"he sees the picture after {took:.1f} s")
    for sock in stuck:
        sock.close()


def drip(server, data, pause=0.5, limit=40):
    """Seconds until a peer that sends a byte at a time is cut off; None if it is not."""
    start = time.monotonic()
    sock = server.connect()
    sock.settimeout(pause)
    try:
        sock.sendall(data[0])
        for i in range(int(limit / pause)):
            sock.sendall(data[1][i % len(data[1]):][:1])
            try:
                if not sock.recv(1 << 16):
                    break
            except TimeoutError:
                pass
        else:
            return None
    except OSError:
        pass
    sock.close()
    return time.monotonic() - start


def quiet(server, data, limit=40):
    """Seconds until a peer that says no more is cut off; None if it is not."""
    answer = server.raw(data, limit=limit)
    return answer.seconds if answer.closed else None


def sips(server, data, limit=40):
    """Seconds until a peer that reads a byte at a time is cut off; None if it is not."""
    start = time.monotonic()
    sock = server.connect(buffer=2048)
    sock.sendall(data)
    try:
        while time.monotonic() - start < limit:
            time.sleep(0.2)
            # What was on its way still comes; what is cut off ends.
            if time.monotonic() - start > 15:
                while sock.recv(1 << 16):
                    if time.monotonic() - start > limit:
                        return None
                break
            sock.recv(1)
    except OSError:
        pass
    sock.close()
    return time.monotonic() - start


def slow(tally, server):
    "slow-loris: heads, bodies and answers that drip"
    body = server.head("POST /do", server.origin + "Content-Length: 60000\r\n")
    photo = server.head("POST /photo", server.origin + "Content-Length: 60000\r\n")
    faces = server.head("POST /api/detect", server.origin + "Content-Length: 60000\r\n")
    stranger = server.head("POST /do", "Content-Length: 60000\r\n", host="evil.example")
    attacks = {
        "a head": lambda: drip(server, (b"GET / HTTP/1.1\r\n", b"X: y\r\n")),
        "a head of one header": lambda: drip(server, (b"GET / HTTP/1.1\r\nX: ", b"a")),
        "a path": lambda: drip(server, (b"GET /", b"a")),
        "empty lines": lambda: drip(server, (b"", b"\r\n")),
        "a body": lambda: drip(server, (body, b" ")),
        "a photo": lambda: drip(server, (photo, b" ")),
        "a stranger's body": lambda: drip(server, (stranger, b" ")),
        "nothing": lambda: quiet(server, b""),
        "half a head": lambda: quiet(server, b"GET / HTTP/1.1\r\nHost: "),
        "no body": lambda: quiet(server, body),
        "no picture": lambda: quiet(server, faces),
        "a body that was asked for": lambda: quiet(server, body[:-2] + b"Expect: 100-continue\r\n\r\n"),
        "a page read by bytes": lambda: sips(server, server.head("GET /edit")),
    }
    with ThreadPoolExecutor(len(attacks)) as pool:
        running = {name: pool.submit(attack) for name, attack in attacks.items()}
        tally.check("a visitor meanwhile", server.visited(3), "is not served")
        for name, result in running.items():
            took = result.result()
            # Pictures are taken one after the other: one that does not come holds up the next.
            most = 30 if name in ("a photo", "no picture") else 20
            tally.check(name, took is not None and took < most, "is not cut off" if took is None else f"after {took:.1f} s")


def sipped(tally, server):
    "a stream that is sipped"
    took = sips(server, server.head("GET /stream.mjpg"))
    tally.check("a stream read by bytes", took is not None and took < 30, f"{took} s")


FLOODS = [idle, resets]
STRANGERS = [guesses]
VIEWERS = [never_read]
SLOW = [slow]
SLOW_LIVE = [sipped]
