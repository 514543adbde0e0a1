"""`grantctl webconf check` against the real nginx: whatever comes out of a configuration by an attack, it had said so.

The mount here is a plain folder, laid out as a mount is: what matters is which path nginx looks up.
"""

import contextlib
import json
import os
import pathlib
import random
import shutil
import ssl
import http.client
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import generated_nginx  # noqa: E402
from nginx_cases import LEAKS, SAFE, UNSAFE, basic  # noqa: E402
from servers import GRANTCTL, free_port, wait_for_port  # noqa: E402

SECRET = b"alice's own"
CONFIGURATIONS = int(os.environ.get("GRANTFS_CONFIGURATIONS", 40))
TOKEN = "Al1ce_token_0123456789"
BOBS = "B0bs_token_9876543210"


class World:
    """A folder laid out as a mount, a store and a policy beside it, and what nginx needs."""

    def __init__(self):
        self.holder = tempfile.TemporaryDirectory(prefix="grantfs-attack-")
        self.work = pathlib.Path(os.path.realpath(self.holder.name))
        self.work.chmod(0o755)
        for path in ("mnt/by-user/alice", "mnt/by-user/bob", "mnt/public", "mnt/me", f"mnt/by-session/{TOKEN}", f"mnt/by-session/{BOBS}",
                     f"mnt/by-link/{TOKEN}", "mnt/public/x", "mnt/by-signature", f"mnt/from/192.0.2.9/by-session/{TOKEN}",
                     "mnt/from/127.0.0.1/by-session", "store/alice", "policy", "www/d.php", "sites/127.0.0.1/html"):
            (self.work / path).mkdir(parents=True, exist_ok=True)
        for path in ("mnt/by-user/alice", f"mnt/by-session/{TOKEN}", f"mnt/from/192.0.2.9/by-session/{TOKEN}", "store/alice"):
            self.write(f"{path}/secret.txt", SECRET)
        self.write("policy/policy.db", SECRET)
        for path in ("mnt/by-user/bob", f"mnt/by-session/{TOKEN}", f"mnt/by-session/{BOBS}", f"mnt/by-link/{TOKEN}", "mnt/public"):
            self.write(f"{path}/mine.txt", b"one's own")
        self.write("www/ssi.shtml", b'<!--#include virtual="/in/by-user/$arg_u/secret.txt" -->')
        self.write("mnt/public/upload.html", b'<!--#include virtual="/in/by-user/alice/secret.txt" -->')
        self.write("www/page.html", b"page")
        self.write("mnt/public/upload.users", b"alice:{PLAIN}wrong\n")
        (self.work / "link").symlink_to(self.work / "mnt")
        (self.work / "www/to-mnt").symlink_to(self.work / "mnt")
        words = "".join(f"{user}:{{PLAIN}}{user}s\n" for user in ("alice", "bob", "carol"))
        self.write("users", words.encode())
        self.write("one-user", b"alice:{PLAIN}alices\n")
        for name, subject in (("cert", "/CN=server"), ("alice", "/CN=alice")):
            key = "key" if name == "cert" else "alice-key"
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                            "-keyout", self.work / f"{key}.pem", "-out", self.work / f"{name}.pem", "-subj", subject],
                           check=True, capture_output=True)

    def write(self, path, data):
        (self.work / path).write_bytes(data)

    def values(self):
        return {"mnt": self.work / "mnt", "store": self.work / "store", "policy": self.work / "policy", "www": self.work / "www",
                "work": self.work, "port": free_port(), "back": free_port(), "evil": free_port(), "token": TOKEN}


def filled(text, values):
    for name, value in values.items():
        text = text.replace("{%s}" % name, str(value))
    return text.replace("{{", "{").replace("}}", "}")


class Running:
    """An nginx with that in its http {}."""

    def __init__(self, world, text):
        self.values = world.values()
        self.is_tls = "listen {port} ssl" in text
        self.text = filled(text, self.values)
        self.conf = world.work / "nginx.conf"
        folders = "".join(f"{name}_temp_path {world.work}/temp;\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        self.conf.write_text(f"daemon off; master_process off; pid {world.work}/pid; error_log {world.work}/main.log emerg;\n"
                             f"events {{ worker_connections 64; }}\nhttp {{\n{folders}default_type text/plain; access_log off;\n"
                             f"error_log /dev/null emerg; server_names_hash_bucket_size 128;\n{self.text}\n"
                             f"server {{ listen 127.0.0.1:{self.values['evil']}; location / {{\n"
                             "add_header X-Accel-Redirect /in/by-user/alice/secret.txt; return 200; } }\n}\n")
        # What the last server stands for is nginx's to us, and somebody else's to the configuration.
        self.judged = world.work / "judged.conf"
        self.judged.write_text(self.conf.read_text().partition(f"server {{ listen 127.0.0.1:{self.values['evil']}")[0] + "}\n")
        self.work = world.work

    def __enter__(self):
        self.process = subprocess.Popen(["nginx", "-p", self.work, "-c", self.conf, "-e", self.work / "start.log"], stderr=subprocess.PIPE)
        try:
            wait_for_port(self.values["port"], self.process)
        except BaseException:
            self.process.kill()
            raise AssertionError(self.process.communicate()[1].decode() + (self.work / "start.log").read_text()) from None
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.process.stderr.close()

    def close(self):
        self.__exit__()

    def ask_anyhow(self, path, headers):
        """The body of an answer; empty if there is none."""
        try:
            return self.ask(path, headers)
        except (http.client.HTTPException, OSError):
            return b""

    def ask(self, path, headers):
        """The body of an answer."""
        headers = {name: filled(value, self.values) for name, value in headers.items()}
        path = filled(path, self.values)
        who = headers.pop("certificate", None)
        if self.is_tls:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            if who:
                context.load_cert_chain(self.work / f"{who}.pem", self.work / f"{who}-key.pem")
            connection = http.client.HTTPSConnection("127.0.0.1", self.values["port"], timeout=20, context=context)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.values["port"], timeout=20)
        try:
            connection.request("GET", path, headers=headers)
            return connection.getresponse().read()
        finally:
            connection.close()

    def check(self):
        """The findings, as (rule, what)."""
        done = subprocess.run([GRANTCTL, "webconf", "check", "--json", "--mount", self.work / "mnt", "--store", self.work / "store",
                               "--db", self.work / "policy/policy.db", self.judged], capture_output=True, timeout=30)
        if done.returncode not in (0, 1):
            raise AssertionError(done.stderr.decode())
        findings = json.loads(done.stdout)["findings"]
        assert (done.returncode == 1) == bool(findings)
        return [(finding["rule"], finding["what"]) for finding in findings]


# What is tried on every safe configuration; /p/ is where its files are.
ATTACKS = [(prefix + tail, headers)
           for prefix in ("/p/", "/p", "/in/", "/", "/p/a/", "/q/", "//p/")
           for tail in ("secret.txt", "alice/secret.txt", "by-user/alice/secret.txt", "../by-user/alice/secret.txt", "..%2fby-user/alice/secret.txt",
                        "mnt/by-user/alice/secret.txt", "store/alice/secret.txt", "policy/policy.db", "..%2f..%2fstore/alice/secret.txt")
           for headers in ({}, {**basic("alice"), "X-User": "alice", "X-Real-IP": "192.0.2.9", "X-Forwarded-For": "192.0.2.9"},
                           {**basic("bob", "bobs"), "Cookie": "files=../by-user/alice"}, {"Cookie": f"files={BOBS}"},
                           {"X-Tenant": "one", "X-Forwarded-For": "192.0.2.9", "Cookie": "files=..%2f..", "X-Token": "../by-user/alice"})
           if "//" not in prefix or not headers]


# What is tried on one by chance: without the credentials of alice in any of them.
CHANCES = [(path + query, headers) for path in dict.fromkeys(path for path, _ in ATTACKS) for query in ("", "?u=alice&t=" + BOBS)
           for headers in ({}, {**basic("bob", "bobs"), "Cookie": "u=alice; files=../by-user/alice", "X-User": "alice"},
                           {**basic("alice"), "X-Tenant": "one", "Cookie": f"u=alice; files={BOBS}", "Host": "alice"})]


class CheckByAttack(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0 or shutil.which("nginx") is None:
            raise unittest.SkipTest("runs nginx: run it as root")
        cls.world = World()
        cls.addClassCleanup(cls.world.holder.cleanup)

    def test_what_comes_out_was_said(self):
        self.assertGreater(len(UNSAFE), 60)
        for name, (text, *requests) in UNSAFE.items():
            with self.subTest(name), Running(self.world, text) as nginx:
                bodies = [nginx.ask(path, headers) for path, headers in requests]
                self.assertTrue(any(SECRET in body for body in bodies), f"the attack failed: {bodies}")
                self.assertTrue([rule for rule, _ in nginx.check() if rule != "token-log"], nginx.text)

    def test_what_comes_out_of_one_made_by_chance_was_said(self):
        """GRANTFS_CONFIGURATIONS=5000 tries so many; GRANTFS_SEED repeats them."""
        seed = int(os.environ.get("GRANTFS_SEED") or random.SystemRandom().randrange(1 << 32))
        print(f"seed {seed} (repeat with GRANTFS_SEED={seed})", flush=True)
        chance, tried, unsafe = random.Random(seed), 0, 0
        while tried < CONFIGURATIONS:
            text = generated_nginx.configuration(chance)
            try:
                nginx = Running(self.world, text).__enter__()
            except AssertionError:
                continue  # nginx does not take it
            tried += 1
            with self.subTest(seed=seed, number=tried), contextlib.closing(nginx):
                attack = next(((path, headers) for path, headers in CHANCES if SECRET in nginx.ask_anyhow(path, headers)), None)
                unsafe += attack is not None
                if attack:
                    self.assertTrue([rule for rule, _ in nginx.check() if rule != "token-log"], f"{attack} gives it out:\n{nginx.text}")
        print(f"{tried} configurations, of which {unsafe} gave the secret out", flush=True)
        self.assertGreater(unsafe, tried // 20, "hardly any was unsafe: nothing was tested")

    def test_a_token_that_gets_into_a_log_was_said(self):
        for name, (text, (path, headers)) in LEAKS.items():
            for log in ("a.log", "e.log"):
                (self.world.work / log).unlink(missing_ok=True)
            with self.subTest(name), Running(self.world, text) as nginx:
                nginx.ask(path, headers)
                logs = [self.world.work / log for log in ("a.log", "e.log")]
                deadline = time.monotonic() + 20
                while not any(log.exists() and TOKEN.encode() in log.read_bytes() for log in logs):
                    self.assertLess(time.monotonic(), deadline, "the token is in no log")
                    time.sleep(0.005)
                self.assertIn("token-log", {rule for rule, _ in nginx.check()}, nginx.text)

    def test_nothing_is_said_of_what_gives_nothing_out(self):
        self.assertGreater(len(SAFE), 40)
        for name, text in SAFE.items():
            for log in ("a.log", "e.log"):
                (self.world.work / log).unlink(missing_ok=True)
            with self.subTest(name), Running(self.world, text) as nginx:
                for path, headers in ATTACKS if not nginx.is_tls else [("/p/secret.txt", {"certificate": "alice"})]:
                    self.assertNotIn(SECRET, nginx.ask_anyhow(path, headers), (path, headers))
                self.assertEqual(nginx.check(), [], nginx.text)


if __name__ == "__main__":
    unittest.main()
