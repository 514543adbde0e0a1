"""A real Chromium, Debian's, without a screen: a fresh profile each, and nothing but loopback."""

import os
import shutil
import tempfile

from harness import module_of_debian, wait_for

CHROMIUM = "/usr/bin/chromium"
CHROMEDRIVER = "/usr/bin/chromedriver"
webdriver = module_of_debian("selenium.webdriver")
MISSING = None if webdriver and os.path.exists(CHROMIUM) and os.path.exists(CHROMEDRIVER) else \
    "no browser: apt-get install chromium chromium-driver python3-selenium"

OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--ignore-certificate-errors",
           "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps",
           "--disable-domain-reliability", "--disable-features=OptimizationHints,MediaRouter,Translate,AutofillServerCommunication",
           "--no-first-run", "--no-default-browser-check", "--no-proxy-server", "--mute-audio", "--window-size=1000,720",
           "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--autoplay-policy=no-user-gesture-required")


class Browser:
    """One profile. close() ends it and deletes the profile."""

    def __init__(self):
        from selenium.webdriver.chrome.service import Service

        self.profile = tempfile.mkdtemp(prefix="chromium-")
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for option in (*OPTIONS, f"--user-data-dir={self.profile}"):
            options.add_argument(option)
        options.page_load_strategy = "normal"
        # Chromium keeps files beside its profile too.
        service = Service(CHROMEDRIVER, env={**os.environ, "HOME": self.profile, "TMPDIR": self.profile})
        try:
            self.driver = webdriver.Chrome(service=service, options=options)
        except BaseException:
            shutil.rmtree(self.profile, ignore_errors=True)
            raise
        self.driver.set_script_timeout(30)

    def open(self, url):
        """Goes there; returns the status of the answer."""
        self.driver.get(url)
        return self.run("return performance.getEntriesByType('navigation')[0].responseStatus")

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def run_async(self, script, *arguments):
        return self.driver.execute_async_script(script, *arguments)

    def find(self, selector):
        return self.driver.find_element("css selector", selector)

    def find_all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def fill(self, **fields):
        for name, text in fields.items():
            field = self.find(f"[name={name}]")
            if field.tag_name == "input" and field.get_attribute("type") != "file":
                field.clear()
            field.send_keys(text)

    def submit(self, selector):
        """Presses the button and waits until the next page has loaded."""
        self.run("window.before = true")
        self.find(selector).click()
        wait_for(lambda: self.run("return window.before === undefined && document.readyState === 'complete'"),
                 what=f"the page after {selector}")

    def fetch(self, url):
        """The status that a script of the page gets, past the browser's cache, and how many bytes."""
        return self.run_async("""
            const done = arguments[1];
            fetch(arguments[0], {cache: "no-store"}).then(async reply => done([reply.status, (await reply.arrayBuffer()).byteLength]),
                                                          error => done([String(error), 0]));""", url)

    def headers(self, url, *names):
        """The status, and these headers or None."""
        return self.run_async("""
            const [url, names, done] = arguments;
            fetch(url, {cache: "no-store"}).then(reply => done([reply.status, ...names.map(name => reply.headers.get(name))]));""",
                              url, names)

    def screenshot(self, path):
        self.driver.save_screenshot(str(path))

    def close(self):
        try:
            self.driver.quit()
        finally:
            shutil.rmtree(self.profile, ignore_errors=True)
