"""The proxies of docs/how-to/service.md, as they stand there, before a real server. Usage: proxy.py RUNTIME BUNDLE FOLDER

Caddy and nginx are tried where they are installed (LKG_CADDY and LKG_NGINX name programs that are not in the PATH); the certificate is
made here. Prints `N passed, N failed`.
"""

import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time

from peer import Answer, Server

NAME = "faces.example.org"
TOKEN = "0123456789abcdef"
GUIDE = pathlib.Path(__file__).parent.parent.parent / "docs/how-to/service.md"


def example(language):
    """The block of the guide in that language, whose fence says so."""
    return re.search(rf"```{language}\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)[1]


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def replaced(text, *pairs):
    for old, new in pairs:
        if old not in text:
            sys.exit(f"the guide's example lacks {old!r}")
        text = text.replace(old, new)
    return text


def caddy(program, folder, port, server, certificate):
    text = replaced(example("caddyfile"), (f"{NAME} {{", f"https://{NAME}:{port} {{\n    tls {' '.join(certificate)}"), ("127.0.0.1:8080", server.host))
    (folder / "Caddyfile").write_text("{\n    admin off\n    auto_https disable_redirects\n}\n" + text)
    environment = dict(os.environ, XDG_DATA_HOME=str(folder), XDG_CONFIG_HOME=str(folder), HOME=str(folder))
    return subprocess.Popen([program, "run", "--config", "Caddyfile", "--adapter", "caddyfile"], cwd=folder, env=environment,
                            stdout=subprocess.DEVNULL, stderr=(folder / "caddy.log").open("w"))


def nginx(program, folder, port, server, certificate):
    text = example("nginx")
    text = replaced(text, ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"), ("127.0.0.1:8080", server.host))
    text = re.sub(r"(ssl_certificate\s+)[^;]*", rf"\g<1>{certificate[0]}", text)
    text = re.sub(r"(ssl_certificate_key\s+)[^;]*", rf"\g<1>{certificate[1]}", text)
    paths = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    whole = f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log {folder}/nginx.log;\nevents {{}}\nhttp {{\naccess_log off;\n{paths}{text}}}\n"
    (folder / "nginx.conf").write_text(whole)
    return subprocess.Popen([program, "-e", str(folder / "nginx.log"), "-p", str(folder), "-c", str(folder / "nginx.conf")],
                            stdout=subprocess.DEVNULL, stderr=(folder / "nginx.err").open("w"))


def ask(port, line, headers="", body=b"", host=None, enough=None):
    """An answer through the proxy."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    host = host or f"{NAME}:{port}"
    start, got = time.monotonic(), b""
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as raw, context.wrap_socket(raw, server_hostname=NAME) as sock:
            length = f"Content-Length: {len(body)}\r\n" if body else ""
            sock.sendall(f"{line} HTTP/1.1\r\nHost: {host}\r\n{headers}{length}Connection: close\r\n\r\n".encode() + body)
            while (part := sock.recv(1 << 16)) and not (enough and len(got) > enough):
                got += part
    except OSError as e:
        got += repr(e).encode()
    return Answer(got, time.monotonic() - start, True)


def check(server, port, origin):
    """(what, whether it is so, what was seen) of one proxy."""
    bearer = f"Authorization: Bearer {TOKEN}\r\n"
    cookie = ask(port, f"GET /live?token={TOKEN}", "Accept: text/html\r\n")
    yield "the address with the token leads to the page", cookie.status == 303 and cookie.header("Location") == "/live", cookie
    kept = (cookie.header("Set-Cookie") or "").split(";")[0]
    page = ask(port, "GET /live", f"Cookie: {kept}\r\n")
    yield "the page with its cookie", page.status == 200 and b"</html>" in page.body, page
    yield "its policy", "default-src 'none'" in (page.header("Content-Security-Policy") or ""), page
    for path in ("/live", "/api/state", "/snapshot.png"):
        answer = ask(port, f"GET {path}")
        yield f"{path} without the token", answer.status == 401, answer
    switch = "POST /switch?name=overlay&on=0"
    answer = ask(port, switch, f"{bearer}Origin: {origin}\r\n")
    yield "a switch of our own page", answer.status == 204, answer
    for other in ("https://evil.example", f"http://{server.host}", "null"):
        answer = ask(port, switch, f"{bearer}Origin: {other}\r\n")
        yield f"a switch of {other}", answer.status == 403, answer
    answer = ask(port, "POST /api/detect", f"{bearer}Origin: {origin}\r\n", b"x" * 3_000_000)
    yield "a picture that is large, and none", answer.status == 400 and b"not a picture" in answer.body, answer
    answer = ask(port, "GET /live", bearer, host="evil.example")
    yield "another host's name", b"nonce-" not in answer.data, answer
    stream = ask(port, "GET /stream.mjpg", bearer, enough=100_000)
    parts = stream.body.count(b"X-Frame: ")
    yield "pictures as they come", stream.status == 200 and parts > 1 and stream.seconds < 10, stream


def main():
    program, bundle, folder = sys.argv[1:4]
    passed = failed = 0
    certificate = [f"{folder}/{name}.pem" for name in ("certificate", "key")]
    made = subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={NAME}", "-addext",
                           f"subjectAltName=DNS:{NAME}", "-out", certificate[0], "-keyout", certificate[1]], capture_output=True)
    if made.returncode != 0:
        sys.exit(f"openssl made no certificate: {made.stderr.decode()}")
    arguments = ["--bundle", bundle, "webcam", "clip.avi", "--loop", "--headless", "--host", NAME]
    for name, start in (("caddy", caddy), ("nginx", nginx)):
        path = os.environ.get(f"LKG_{name.upper()}") or shutil.which(name)
        if not path:
            print(f"skipped: {name}, as it is not installed (sudo apt-get install {name})")
            continue
        place, port = pathlib.Path(folder, name), free_port()
        place.mkdir()
        with Server(program, arguments, folder, TOKEN) as server:
            proxy = start(path, place, port, server, certificate)
            try:
                for _ in range(50):
                    if ask(port, "GET /").status:
                        break
                    time.sleep(0.2)
                for what, held, seen in check(server, port, f"https://{NAME}:{port}"):
                    passed, failed = passed + held, failed + (not held)
                    if not held:
                        print(f"FAILED {name}: {what}: {seen}")
            finally:
                proxy.terminate()
                proxy.wait()
        print(f"{name}: tried")
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
