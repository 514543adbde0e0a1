"""What ends a login ends its access to files."""

import contextlib
import io
import threading
from unittest import mock

from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import OperationalError, connection, transaction
from django.http import HttpResponse
from django.test import Client, RequestFactory, override_settings

from grantfs_files import middleware, owed, policy, sessions, users
from grantfs_files.models import Owed

from .case import COOKIE, ON_POSTGRESQL, PASSWORD, PolicyCase, of_two_databases


class SessionCase(PolicyCase):
    def setUp(self):
        super().setUp()
        self.name = self.upload(self.alice).file.name

    def opens(self, token):
        return self.token_opens(token, self.name)


class Logins(SessionCase):
    def test_a_login_opens_ones_files_and_a_logout_ends_it(self):
        token = self.login(self.alice)
        self.assertTrue(self.opens(token))
        self.assertFalse(self.opens(self.login(self.bob, Client())))
        reply = self.client.post("/logout/", secure=True)
        self.assertFalse(self.opens(token))
        self.assertEqual(reply.cookies[COOKIE].value, "")
        self.assertEqual(reply.cookies[COOKIE]["max-age"], 0)

    def test_the_cookie_is_one_that_no_other_host_and_no_script_can_touch(self):
        self.login(self.alice)
        cookie = self.client.cookies[COOKIE]
        self.assertRegex(cookie.value, r"^[a-z0-9]{32}$")
        self.assertEqual((cookie["path"], cookie["domain"], cookie["samesite"]), ("/", "", "Lax"))
        self.assertTrue(cookie["secure"] and cookie["httponly"])
        self.assertGreater(cookie["max-age"], 0)

    def test_another_login_in_the_same_browser_ends_the_first(self):
        first = self.login(self.alice)
        second = self.login(self.bob)
        self.assertNotEqual(first, second)
        self.assertFalse(self.opens(first))

    def test_a_token_that_was_planted_is_replaced_at_login(self):
        planted = "a" * 32
        self.client.cookies[COOKIE] = planted
        self.client.get("/login/", secure=True)
        self.assertNotEqual(self.login(self.alice), planted)
        self.assertFalse(self.opens(planted))

    def test_the_token_is_not_the_sessions_key_and_is_stored_nowhere(self):
        token = self.login(self.alice)
        session = Session.objects.get()
        self.assertNotEqual(token, session.session_key)
        self.assertNotIn(token, str(session.get_decoded()))
        self.assertEqual(self.rows("SELECT id FROM sessions"), [(sessions.token_id(token),)])

    def test_it_ends_when_the_session_expires(self):
        self.login(self.alice)
        self.assertEqual(self.rows("SELECT expires FROM sessions"), [(int(Session.objects.get().expire_date.timestamp()),)])

    def test_so_it_is_with_sessions_that_are_cached_too(self):
        with override_settings(SESSION_ENGINE="django.contrib.sessions.backends.cached_db"):
            client = Client()
            token = self.login(self.alice, client)
            self.assertTrue(self.opens(token))
            client.post("/logout/", secure=True)
            self.assertFalse(self.opens(token))

    def test_a_new_key_ends_the_old_token(self):
        first = self.login(self.alice)
        session = self.client.session
        session.cycle_key()
        self.assertFalse(self.opens(first))
        self.assertTrue(self.opens(sessions.token(session.session_key)))

    def test_clearsessions_and_a_deleted_row_end_it(self):
        token = self.login(self.alice)
        Session.objects.update(expire_date="2020-01-01T00:00:00Z")
        call_command("clearsessions")
        self.assertFalse(self.opens(token))
        self.assertEqual(self.rows("SELECT id FROM sessions"), [])

    def test_who_was_logged_in_before_this_application_gets_the_cookie_at_the_next_page(self):
        token = self.login(self.alice)
        del self.client.cookies[COOKIE]
        with policy.writing() as rules:
            rules.end_session(sessions.token_id(token))
        reply = self.client.get("/", secure=True)
        self.assertEqual(reply.cookies[COOKIE].value, token)
        self.assertTrue(self.opens(token))

    def test_a_page_that_does_not_look_at_the_session_stays_cacheable(self):
        self.login(self.alice)
        with self.assertNumQueries(0):
            reply = self.client.get("/no-such-page", secure=True)
        self.assertEqual((reply.status_code, reply.has_header("Vary"), dict(reply.cookies)), (404, False, {}))

    def test_an_anonymous_session_opens_nothing(self):
        self.client.get("/login/", secure=True)
        session = self.client.session
        session["colour"] = "blue"
        session.save()
        self.assertEqual(self.rows("SELECT id FROM sessions"), [])

    def test_a_session_that_stops_being_a_login_ends(self):
        token = self.login(self.alice)
        session = self.client.session
        del session["_auth_user_id"]
        session.save()
        self.assertFalse(self.opens(token))


class Users(SessionCase):
    """Passwords and deactivation."""

    def test_a_changed_password_ends_all_but_the_session_that_changed_it(self):
        here, elsewhere = self.login(self.alice), self.login(self.alice, Client())
        done = self.client.post("/password/", secure=True, data={
            "old_password": PASSWORD, "new_password1": "battery staple", "new_password2": "battery staple"})
        self.assertEqual(done.status_code, 302)
        self.assertFalse(self.opens(here))
        self.assertFalse(self.opens(elsewhere))
        self.assertTrue(self.opens(self.client.cookies[COOKIE].value))

    def test_a_password_set_by_somebody_else_ends_all(self):
        token = self.login(self.alice)
        self.alice.set_password("battery staple")
        self.alice.save()
        self.assertFalse(self.opens(token))
        self.client.get("/login/", secure=True)
        self.assertEqual(self.rows("SELECT id FROM sessions"), [])

    def test_a_session_with_an_old_password_is_not_let_in_again_when_it_is_saved(self):
        token = self.login(self.alice)
        self.alice.set_password("battery staple")
        self.alice.save()
        session = self.client.session
        session["colour"] = "blue"
        session.save()
        self.assertFalse(self.opens(token))

    def test_deactivation_ends_sessions_and_links(self):
        token = self.login(self.alice)
        self.alice.picture_set.get().file.create_link()
        self.alice.is_active = False
        self.alice.save()
        self.assertFalse(self.opens(token))
        self.assertEqual(self.rows("SELECT id FROM links"), [])
        self.alice.is_active = True
        self.alice.save()
        self.assertFalse(self.opens(token))

    def test_what_no_signal_told_of_ends_with_a_sync(self):
        users = get_user_model().objects.filter(pk=self.alice.pk)
        token = self.login(self.alice)
        users.update(password="!")
        call_command("grantfs_sync", stdout=io.StringIO())
        self.assertFalse(self.opens(token))
        self.alice.picture_set.get().file.create_link()
        users.update(is_active=False)
        call_command("grantfs_sync", stdout=io.StringIO())
        self.assertEqual(self.rows("SELECT id FROM links"), [])

    def test_a_proxy_of_the_users_model_counts_like_it(self):
        """As an admin site may have: its signals name the proxy as their sender."""
        class Member(type(self.alice)):
            class Meta:
                proxy = True
                app_label = "auth"

        for end in (Member.delete, self.deactivate):
            carol = get_user_model().objects.create_user("carol", password=PASSWORD)
            token = self.login(carol, Client())
            number = carol.pk
            end(Member.objects.get(pk=number))
            self.assertEqual(self.rows(f"SELECT id FROM sessions WHERE principal = 'user:{number}'"), [])
            self.assertFalse(self.opens(token))
            get_user_model().objects.filter(pk=number).delete()

    @staticmethod
    def deactivate(member):
        member.is_active = False
        member.save()

    def test_who_is_deactivated_gets_no_files_even_if_the_site_lets_them_log_in(self):
        self.alice.is_active = False
        self.alice.save()
        with override_settings(AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.AllowAllUsersModelBackend"]):
            self.client.force_login(self.alice)
        self.assertFalse(self.opens(sessions.token(self.client.session.session_key)))

    @of_two_databases
    def test_a_session_issued_before_the_commit_of_a_new_password_ends_with_it(self):
        token = sessions.token("of another process")
        with transaction.atomic():
            self.alice.set_password("battery staple")
            self.alice.save()
            with policy.writing() as rules:
                rules.set_session(sessions.token_id(token), self.principal(self.alice), None)
            self.assertTrue(self.opens(token))
        self.assertFalse(self.opens(token))

    def test_a_user_saved_as_before_stays_logged_in(self):
        token = self.login(self.alice)
        self.alice.first_name = "Alice"
        self.alice.save()
        self.assertTrue(self.opens(token))

    def test_a_deleted_user_has_no_session(self):
        token = self.login(self.alice)
        self.alice.delete()
        self.assertFalse(self.opens(token))
        self.assertEqual(self.rows("SELECT id FROM sessions"), [])

    def test_a_password_changed_while_a_session_is_saved_ends_that_too(self):
        token = self.login(self.alice)
        session = self.client.session
        session["colour"] = "blue"
        ending = threading.Thread(target=self.end_sessions)
        looked = sessions.user_of

        def look_and_be_overtaken(data):
            user = looked(data)  # still the old password
            ending.start()
            ending.join(0.2)  # it waits for us; if it did not, it would be done
            return user

        with mock.patch.object(sessions, "user_of", look_and_be_overtaken):
            session.save()
        ending.join()
        self.assertFalse(self.opens(token))

    def end_sessions(self):
        with contextlib.closing(connection):  # this thread's
            users.end_sessions(self.principal(self.alice))


class Keys(SessionCase):
    @staticmethod
    def start_process():
        """It serves a page."""
        middleware.FilesCookieMiddleware(lambda request: HttpResponse())(RequestFactory().get("/"))

    def test_another_secret_key_ends_every_session(self):
        token = self.login(self.alice)
        with override_settings(SECRET_KEY="another"):
            self.start_process()
            self.assertFalse(self.opens(token))
            self.assertTrue(self.opens(self.login(self.alice, Client())))

    def test_a_process_that_still_has_the_old_one_lets_nobody_in(self):
        self.client.get("/login/", secure=True)
        with override_settings(SECRET_KEY="another"):
            self.start_process()
        token = self.client.post("/login/", {"username": "alice", "password": PASSWORD}, secure=True).cookies[COOKIE].value
        self.assertFalse(self.opens(token))

    def test_the_same_key_in_another_process_ends_nothing(self):
        token = self.login(self.alice)
        self.start_process()
        self.assertTrue(self.opens(token))


class Backups(SessionCase):
    def test_sessions_that_came_back_with_a_backup_are_ended_by_sync(self):
        ended, live = self.login(self.alice), self.login(self.alice, Client())
        self.login(self.bob, Client())
        before = self.rows("SELECT id, principal, expires FROM sessions")
        self.client.post("/logout/", secure=True)
        self.bob.set_password("battery staple")
        self.bob.save()
        with policy.writing() as rules:
            for row in before:
                rules.set_session(*row)
        self.assertTrue(self.opens(ended))
        call_command("grantfs_sync", stdout=mock.Mock())
        self.assertEqual(self.rows("SELECT id FROM sessions"), [(sessions.token_id(live),)])


class Trouble(SessionCase):
    """The policy database is missing, locked, or closed to us."""

    def trouble(self):
        yield "missing", self.policy_gone()
        if ON_POSTGRESQL:
            return
        yield "locked", self.policy_locked()
        yield "not a database", self.policy_overwritten()

    @contextlib.contextmanager
    def policy_overwritten(self):
        with self.policy_gone():
            self.database.write_bytes(b"x" * 8192)
            try:
                yield
            finally:
                self.database.unlink()

    def other_process(self):
        """A browser whose requests a process answers that has just started."""
        owed.contact.forget()
        return Client()

    def opens_after_the_next_page(self, token, client=None):
        (client or Client()).get("/login/", secure=True)
        return self.opens(token)

    def test_pages_go_on_and_it_is_logged_once(self):
        for what, trouble in self.trouble():
            with self.subTest(what), self.retry(), self.assertLogs("grantfs_files", "ERROR") as logs, trouble:
                client = self.other_process()
                self.assertEqual(client.get("/login/", secure=True).status_code, 200)
                self.login(self.alice, client)
                for path in ("/", f"/pictures/{self.alice.picture_set.get().pk}/", "/password/"):
                    page = client.get(path, secure=True)
                    self.assertEqual(page.status_code, 200)
                    self.assertEqual("just now" in page.content.decode(), what != "locked" and path != "/password/", path)
                self.assertEqual(client.post("/logout/", secure=True).status_code, 302)
            self.assertEqual(len(logs.records), 1, logs.output)
            with self.assertLogs("grantfs_files", "WARNING") as logs:
                client.get("/login/", secure=True)
                client.get("/login/", secure=True)
            self.assertEqual([record.message for record in logs.records], ["the policy database can be used again"])

    def test_who_logged_in_meanwhile_has_files_when_it_is_back(self):
        for what, trouble in self.trouble():
            with self.subTest(what), self.retry():
                client = self.other_process()
                with trouble, self.assertLogs("grantfs_files", "ERROR"):
                    token = self.login(self.alice, client)
                self.assertFalse(self.opens(token))
                self.assertTrue(self.opens_after_the_next_page(token, client))
                self.assertFalse(Owed.objects.exists())

    def test_who_logged_out_meanwhile_has_none_when_it_is_back(self):
        for what, trouble in self.trouble():
            with self.subTest(what), self.retry():
                client = self.other_process()
                token = self.login(self.alice, client)
                self.assertTrue(self.opens(token))
                with trouble, self.assertLogs("grantfs_files", "ERROR"):
                    client.post("/logout/", secure=True)
                self.assertFalse(Session.objects.exists())
                self.assertFalse(self.opens_after_the_next_page(token))

    def test_so_it_is_if_the_process_ended_too(self):
        token = self.login(self.alice)
        with self.policy_gone(), self.assertLogs("grantfs_files", "ERROR"):
            self.client.post("/logout/", secure=True)
        self.assertTrue(self.opens(token))
        self.assertFalse(self.opens_after_the_next_page(token, self.other_process()))

    def test_what_a_command_owes_is_paid_by_who_serves_pages(self):
        token = self.login(self.alice)
        Session.objects.update(expire_date="2020-01-01T00:00:00Z")
        with self.policy_gone(), self.assertLogs("grantfs_files", "ERROR"):
            call_command("clearsessions")
        self.assertEqual(len(self.rows("SELECT id FROM sessions")), 1)
        with mock.patch.object(owed.contact, "_due", 0.0):
            self.client.get("/login/", secure=True)
        self.assertEqual(self.rows("SELECT id FROM sessions"), [])
        self.assertFalse(self.opens(token))

    def test_a_logout_that_is_rolled_back_owes_nothing(self):
        self.login(self.alice)
        with self.policy_gone(), self.assertLogs("grantfs_files", "ERROR"), self.assertRaises(ZeroDivisionError), transaction.atomic():
            Session.objects.all().delete()
            self.assertTrue(Owed.objects.exists())
            raise ZeroDivisionError
        self.assertFalse(Owed.objects.exists())

    def test_what_is_owed_again_while_it_is_paid_stays(self):
        self.login(self.alice)
        with self.policy_gone(), self.assertLogs("grantfs_files", "ERROR"):
            self.client.post("/logout/", secure=True)
        (name, arguments), = Owed.objects.values_list("debt", "arguments")

        def pay_and_be_overtaken(*given):
            owed.owe(sessions.settle_session, *given)

        with mock.patch.dict(owed.debts, {name: pay_and_be_overtaken}):
            owed.pay()
        self.assertEqual(list(Owed.objects.values_list("debt", "arguments")), [(name, arguments)])

    def test_while_it_is_out_pages_do_not_wait_for_it(self):
        self.client.get("/login/", secure=True)
        with self.policy_gone(), self.assertLogs("grantfs_files", "ERROR"):
            self.login(self.alice)
            with mock.patch.object(policy.sqlite3, "connect", side_effect=AssertionError("asked again")):
                self.client.get("/password/", secure=True)
                self.client.post("/logout/", secure=True)

    def test_pages_cost_no_look_at_the_policy(self):
        self.login(self.alice)
        with mock.patch.object(policy.sqlite3, "connect", side_effect=AssertionError("asked")), self.assertNumQueries(2):
            self.assertEqual(self.client.get("/password/", secure=True).status_code, 200)  # the session, and the user

    def test_a_new_secret_key_is_adopted_when_it_is_back(self):
        token = self.login(self.alice)
        with override_settings(SECRET_KEY="another"), self.retry():
            with self.policy_gone(), self.assertLogs("grantfs_files", "ERROR"):
                client = self.other_process()
                client.get("/login/", secure=True)
            self.assertFalse(self.opens_after_the_next_page(token, client))
            self.assertTrue(self.opens(self.login(self.alice, client)))

    def test_a_process_with_the_old_key_does_not_adopt_it_again(self):
        self.client.get("/login/", secure=True)
        with override_settings(SECRET_KEY="another"):
            token = self.login(self.alice, self.other_process())
        with self.retry():
            with self.policy_gone(), self.assertLogs("grantfs_files", "ERROR"):
                self.login(self.bob)
            self.assertTrue(self.opens_after_the_next_page(token, self.client))

    def test_a_database_without_the_table_of_what_is_owed_takes_no_page_down(self):
        owed.contact.forget()
        with mock.patch.object(Owed.objects, "all", side_effect=OperationalError("no such table")), \
                self.assertLogs("grantfs_files", "ERROR") as logs:
            self.assertEqual(Client().get("/login/", secure=True).status_code, 200)
        self.assertIn("migrate", logs.output[0])

    def test_a_password_changes_only_with_the_policy(self):
        self.login(self.alice)
        for what, trouble in self.trouble():
            with self.subTest(what), trouble, self.assertLogs("grantfs_files", "ERROR"):
                done = self.client.post("/password/", secure=True, data={
                    "old_password": PASSWORD, "new_password1": "battery staple", "new_password2": "battery staple"})
                self.assertEqual((done.status_code, done["Retry-After"]), (503, "10"))
                self.assertIn("Nothing was changed", done.content.decode())
            owed.contact.forget()
            self.alice.refresh_from_db()
            self.assertTrue(self.alice.check_password(PASSWORD))


class Checks(PolicyCase):
    def identifiers(self):
        return [message.id for message in run_checks(include_deployment_checks=True) if message.id.startswith("grantfs_files")]

    def test_this_site_is_well(self):
        self.assertEqual(self.identifiers(), [])

    def test_what_would_not_work_is_told(self):
        good = self.settings_of_grantfs
        for settings, found in (
                ({"GRANTFS": {**good, "STOER": "/srv"}}, "grantfs_files.E001"),
                ({"MIDDLEWARE": ["django.contrib.sessions.middleware.SessionMiddleware"]}, "grantfs_files.E002"),
                ({"SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies"}, "grantfs_files.E003"),
                ({"GRANTFS": {**good, "DATABASE": "/nonexistent/policy.db"}}, "grantfs_files.E004"),
                ({"GRANTFS": {**good, "STORE": "/nonexistent"}}, "grantfs_files.E005"),
                ({"SESSION_COOKIE_SECURE": False}, "grantfs_files.W006")):
            with self.subTest(found), override_settings(**settings):
                self.assertEqual(self.identifiers(), [found])
        self.store.chmod(0o755)
        self.assertEqual(self.identifiers(), ["grantfs_files.E005"])
