"""Requests that must be refused, each with the answer that it gets."""

import random
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

NAMES = ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evil.example:{port}", "127.0.0.1@evil.example",
         "evil.example#127.0.0.1", "0x7f.1.evil.example", "[::1]evil.example", "[::1", "10.0.0.1", "192.168.1.1:{port}",
         "169.254.169.254", "127.0.0.1:{port}:80", "127.0.0.1:evil", "localhost.", "*", "", " ", "a" * 300, "xn--e1awd7f.com",
         "127.0.0.1, evil.example", "0.0.0.0", "[2001:db8::1]"]
ORIGINS = ["http://evil.example", "null", "https://evil.example:{port}", "http://127.0.0.1", "http://127.0.0.1:1",
           "http://localhost:{port}", "file://{host}", "http://{host}.evil.example", "http://evil.example/{host}",
           "http://{host}@evil.example", "{host}", "http://", "", "http://{host}/", "chrome-extension://{host}"]
POSTS = ["/do", "/preview", "/faces", "/save", "/photo", "/api/detect"]
LIVE_POSTS = ["/switch?name=overlay&on=0", "/command?name=calibrate", "/wish?name=calibrate", "/source"]
GETS = ["/", "/edit", "/state.json", "/base.jpg", "/patch.jpg", "/donor.jpg?i=0", "/picture.png", "/face.json", "/api/edit/state"]
LIVE_GETS = ["/live", "/info.json", "/stream.mjpg", "/snapshot.png", "/api/info", "/api/state", "/api/stream"]
PATHS = ["/../../../../etc/passwd", "/recordings/../../../etc/passwd", "/recordings/..%2f..%2fetc%2fpasswd", "//etc/passwd",
         "/recordings/%2e%2e/%2e%2e/etc/passwd", "/recordings//etc/passwd", "/recordings/clip.avi", "/recordings/.",
         "/recordings/....//etc/passwd", "/recordings/..\\..\\etc\\passwd", "/recordings/%00", "/recordings/clip.avi%00.mp4",
         "/recordings/%c0%ae%c0%ae/etc/passwd", "/proc/self/environ", "/.git/config", "/edit/../../etc/passwd", "/live/",
         "/EDIT", "/edit%2f", "/api", "/api/", "/api/../edit", "/donor.jpg/../../etc/passwd", "/static/../Cargo.toml", "/%2e%2e",
         "/favicon.ico", "/server-status", "/.well-known/security.txt", "http://evil.example/edit", "*"]


def refused(tally, name, answer, *statuses):
    tally.check(name, answer.status in statuses and answer.seconds < 10 and answer.closed, f"{answer}")


def names(tally, server):
    "names of other hosts (DNS rebinding)"
    for name in NAMES:
        host = name.format(port=server.port)
        refused(tally, f"Host: {host[:60]}", server.ask("GET /", host=host), 400, 403)
        refused(tally, f"POST, Host: {host[:60]}", server.ask("POST /save", server.origin, host=host), 400, 403)
    refused(tally, "no Host", server.raw(b"GET / HTTP/1.1\r\n\r\n"), 400)
    refused(tally, "HTTP/1.0 without Host", server.raw(b"GET / HTTP/1.0\r\n\r\n"), 400)
    refused(tally, "two Hosts", server.ask("GET /", "Host: evil.example\r\n"), 400)
    forwarded = ["X-Forwarded-Host: 127.0.0.1", "Forwarded: host=127.0.0.1", "X-Original-Host: 127.0.0.1", "X-Host: 127.0.0.1"]
    for header in forwarded:
        refused(tally, header, server.ask("GET /", header + "\r\n", host="evil.example"), 403)


def origins(tally, server):
    "other sites' pages"
    for path in POSTS + LIVE_POSTS:
        for origin in ORIGINS:
            origin = origin.format(port=server.port, host=server.host)
            refused(tally, f"POST {path}, Origin: {origin}", server.ask(f"POST {path}", f"Origin: {origin}\r\n"), 403)
        refused(tally, f"POST {path}, no Origin", server.ask(f"POST {path}"), 403)
        refused(tally, f"POST {path}, two Origins", server.ask(f"POST {path}", server.origin * 2), 403)
        for site in ("cross-site", "same-site"):
            headers = f"{server.origin}Sec-Fetch-Site: {site}\r\nSec-Fetch-Mode: navigate\r\n"
            refused(tally, f"POST {path}, {site}", server.ask(f"POST {path}", headers), 403)
        # A form of another page sends this kind without being asked.
        headers = "Origin: http://evil.example\r\nContent-Type: text/plain\r\nContent-Length: 1000000000\r\n"
        answer = server.raw(server.head(f"POST {path}", headers))
        refused(tally, f"POST {path}, a body that is not waited for", answer, 403)
    for path in GETS + LIVE_GETS:
        for mode in ("no-cors", "cors", "websocket"):
            headers = f"Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: {mode}\r\n"
            refused(tally, f"GET {path}, cross-site {mode}", server.ask(f"GET {path}", headers), 403)
    sites = server.ask("GET /", "Origin: http://evil.example\r\n")
    tally.check("no CORS for anybody", "access-control" not in sites.head.lower(), sites.head)


def tokens(tally, server):
    "tokens that are none"
    token = server.token
    wrong = [token[:-1], token + "0", token[:-1] + "0", token.upper(), "", "0" * 16, token[:8], token + "\t", "%30" + token[1:],
             token * 2, "a" * 4000, token[::-1]]
    asked = []
    for given in wrong:
        for headers, target in (("", f"/?token={given}"), (f"Authorization: Bearer {given}\r\n", "/"),
                                (f"Cookie: lkg-{server.port}={given}\r\n", "/")):
            if headers and given.endswith("\t"):
                continue  # white space at the end of a header is no part of it
            asked.append((f"GET {target}".replace("\t", "%09"), headers))
    for headers in (f"Authorization: Basic {token}\r\n", f"Authorization: bearer  {token}\r\n", f"Cookie: lkg-1={token}\r\n",
                    f"Cookie: {token}\r\n", f"X-Token: {token}\r\n", f"Authorization: Bearer {token}\r\n" * 2,
                    f"Referer: http://{server.host}/?token={token}\r\n"):
        asked.append(("GET /", headers))
    asked += [(f"GET {path}", "") for path in GETS + LIVE_GETS + PATHS[:5]]
    # None sends the body.
    asked += [(f"POST {path}", server.origin + "Content-Length: 1000000\r\n") for path in POSTS]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda a: server.raw(server.head(*a, token=False)), asked))
    for (line, headers), answer in zip(asked, answers):
        refused(tally, f"{line[:60]} {headers.strip()[:60]}", answer, 401)
    soonest = min(answer.seconds for answer in answers)
    tally.check("each is answered after 250 ms at the earliest", soonest >= 0.25, f"{soonest:.3f} s")
    for path in ("/edit%0d%0aSet-Cookie:x=y", "//evil.example", "/\\evil.example", "/%2f/evil.example"):
        answer = server.ask(f"GET {path}?token={token}", "Accept: text/html\r\n", token=False)
        to = answer.header("Location") or ""
        tally.check(f"{path} leads here", answer.status == 303 and to.startswith("/") and to[1:2] not in ("/", "\\")
                    and "x=y" not in (answer.header("Set-Cookie") or ""), answer.head)
    cookie = answer.header("Set-Cookie") or ""
    tally.check("the cookie is for this page alone", "HttpOnly" in cookie and "SameSite=Lax" in cookie, cookie)


def paths(tally, server):
    "paths that lead elsewhere"
    for path in PATHS:
        answer = server.ask(f"GET {path}")
        refused(tally, path, answer, 400, 404)
        tally.check(f"{path} gives no file", b"root:" not in answer.data and b"RIFF" not in answer.data, f"{answer}")
    for method in ("HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH", "get", "PROPFIND"):
        refused(tally, method, server.ask(f"{method} /"), 405)
    for path in GETS:
        refused(tally, f"POST {path}", server.ask(f"POST {path}", server.origin), 404, 405)


def smuggling(tally, server):
    "requests in requests"
    get = server.head("GET /api/edit/state").decode()
    post = server.head("POST /do", server.origin).decode()[:-2]
    inner = get
    chunk = f"{len(inner):x}\r\n{inner}\r\n0\r\n\r\n"
    sent = {
        "length and chunks": (post + f"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}", [411]),
        "chunks and length": (post + f"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n{chunk}", [411]),
        "chunks": (post + f"Transfer-Encoding: chunked\r\n\r\n{chunk}", [411]),
        "chunks of nonsense": (post + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n\r\n-1\r\nz\r\n", [411]),
        "other encodings": (post + "Transfer-Encoding: gzip, identity\r\n\r\nabc", [411]),
        "an encoding with a tab": (post + "Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n", [411]),
        "space before the colon": (post + f"Transfer-Encoding : chunked\r\n\r\n{chunk}", [400]),
        "a folded header": (post + f"X: a\r\n Transfer-Encoding: chunked\r\n\r\n{chunk}", [400]),
        "two lengths": (post + f"Content-Length: 0\r\nContent-Length: {len(inner)}\r\n\r\n{inner}", [400]),
        "the same length twice": (post + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", [400]),
        "a return alone": (post.replace("\r\nOrigin", "\rOrigin") + "Content-Length: 0\r\n\r\n", [400]),
        "a zero byte": (post + "X: a\0b\r\nContent-Length: 0\r\n\r\n", [400]),
        "a request after another": (get + get, [200]),
        "a request in a body that is not there": (server.head("GET /").decode()[:-2] + "Content-Length: 0\r\n\r\n" + get, [200]),
        "HTTP/0.9": ("GET /\r\n\r\n", [400]),
        "HTTP/2": ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400]),
        "HTTP/9.9": (get.replace("HTTP/1.1", "HTTP/9.9"), [400]),
        "no head": ("\r\n" * 40000, [431]),
        "an upgrade": (server.head("GET /", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n").decode(), [200]),
        "h2c": (server.head("GET /", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA\r\n").decode(), [200]),
    }
    for length in ("+0", "-1", "0x10", "1e3", "4 4", "4,4", "١", "18446744073709551616", "9" * 400, ""):
        sent[f"length {length[:30]!r}"] = (post + f"Content-Length: {length}\r\n\r\n" + "abcd", [400])
    for name, (data, statuses) in sent.items():
        data = data.encode("utf-8")
        answer = server.raw(data)
        refused(tally, name, answer, *statuses)
        tally.check(f"{name}: one answer", answer.data.count(b"HTTP/1.1 ") == 1, f"{answer}")


def sizes(tally, server):
    "heads and bodies that are too long"
    long = {
        "a long header": server.head("GET /", f"X: {'a' * 40000}\r\n"),
        "a long path": server.head("GET /" + "a" * 40000),
        "a long query": server.head("GET /?token=" + "a" * 40000),
        "many headers": server.head("GET /", "X: y\r\n" * 100),
        "a head without an end": b"GET / HTTP/1.1\r\n" + b"X: " + b"a" * 100000,
    }
    for name, data in long.items():
        refused(tally, name, server.raw(data), 431)
    for path in ("/do", "/preview", "/save", "/photo", "/api/detect"):
        for length in (1 << 29, 1 << 62):
            headers = f"{server.origin}Content-Length: {length}\r\n"
            answer = server.raw(server.head(f"POST {path}", headers))
            refused(tally, f"{length} bytes to {path}", answer, 413)
            headers += "Expect: 100-continue\r\n"
            answer = server.raw(server.head(f"POST {path}", headers))
            refused(tally, f"{length} bytes to {path}, if wanted", answer, 413)
    refused(tally, "a picture with a GET", server.raw(server.head("GET /", f"Content-Length: {1 << 40}\r\n")), 413)
    refused(tally, "more than was said", server.ask("POST /do", server.origin + "Content-Length: 2\r\n", b"{}" + b"x" * 50000),
            400, 409)


def png(width, height, data=b""):
    part = lambda kind, body: struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return (b"\x89PNG\r\n\x1a\n" + part(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + part(b"IDAT", data) + part(b"IEND", b""))


def contents(tally, server):
    "bodies of nonsense"
    texts = [b"[" * 60000, b'{"op":' * 9000, b'{"op":"move","part":1e308,"dx":1}', b'{"op":"move","part":0,"dx":1e999}', b"NaN",
             b'{"op":"swap","part":0,"from":"/etc/passwd","weight":1}', b'{"op":"swap","part":0,"from":"../../x"}', b"\xff\xfe",
             b'{"op":"expression","set":{"' + b"a" * 60000 + b'":1}}', b"\0" * 1000, b'{"op":"move"}', b"", b"null", b'"' + b"\\u0000" * 9000]
    for text in texts:
        for path in ("/do", "/preview"):
            answer = server.ask(f"POST {path}", server.origin, text)
            refused(tally, f"{path} {text[:40]!r}", answer, 400, 409)
            tally.check(f"{path} {text[:40]!r}: said in a line", len(answer.body) < 1000 and answer.body.count(b"\n") == 1,
                        f"{len(answer.body)} bytes")
    flat = zlib.compress(b"\0" * 20_000_000, 9)
    pictures = {"no picture": b"hello", "nothing": b"", "100000 a side": png(100000, 100000, flat), "a bomb": png(16000, 16000, flat),
                "no pixels": png(0, 0), "one line": png(65535, 1), "a cut head": png(64, 64)[:20], "damaged": png(64, 64, b"xyz"),
                "GIF": b"GIF89a" + b"\1" * 100, "SVG": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
                "a playlist": b"#EXTM3U\nfile:///etc/passwd\n", "JPEG": b"\xff\xd8\xff\xe0" + b"\0" * 100, "WebP": b"RIFF\xff\xff\xff\xffWEBPVP8 "}
    for name, body in pictures.items():
        for path in ("/photo", "/api/detect"):
            refused(tally, f"{path} {name}", server.ask(f"POST {path}?file=../../x%00%0d%0a", server.origin, body), 400, 422)
    chance = random.Random(27)
    for i in range(60):
        data = chance.randbytes(chance.randrange(1, 3000)) + b"\r\n\r\n"
        answer = server.raw(data, limit=12)
        tally.check(f"noise {i}", answer.status in (0, 400, 431) and answer.closed, f"{answer}")
    for name, data in (("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500), ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
                       ("SOCKS", b"\x05\x01\x00\r\n\r\n"), ("RTSP", b"OPTIONS rtsp://x RTSP/1.0\r\n\r\n")):
        answer = server.raw(data, limit=12)
        tally.check(name, answer.status in (0, 400) and answer.closed, f"{answer}")


def headers(tally, server):
    "what every answer forbids"
    for line in ("GET /", "GET /edit", "GET /nothing", "GET /state.json", "POST /do", "PUT /"):
        answer = server.ask(line, server.origin if line.startswith("POST") else "")
        policy = answer.header("Content-Security-Policy") or ""
        for part in ("default-src 'none'", "frame-ancestors 'none'"):
            tally.check(f"{line}: {part}", part in policy, policy)
        tally.check(f"{line}: nothing unsafe", "unsafe" not in policy and "*" not in policy and "http:" not in policy, policy)
        for name, value in (("X-Content-Type-Options", "nosniff"), ("X-Frame-Options", "DENY"), ("Cache-Control", "no-store"),
                            ("Referrer-Policy", "no-referrer"), ("Cross-Origin-Resource-Policy", "same-origin"),
                            ("Cross-Origin-Opener-Policy", "same-origin"), ("Connection", "close")):
            tally.check(f"{line}: {name}", answer.header(name) == value, f"{answer.header(name)}")
        tally.check(f"{line}: says no version", answer.header("Server") is None, f"{answer.header('Server')}")
    pages = [server.ask("GET /edit") for _ in range(2)]
    tally.check("the word of a page is new each time", pages[0].header("Content-Security-Policy") != pages[1].header("Content-Security-Policy"))


OPEN = [names, origins]
WITH_TOKEN = [tokens]
BOTH = [paths, smuggling, sizes, contents, headers]
