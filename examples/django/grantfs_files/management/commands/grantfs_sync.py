"""Makes the policy say again what Django's database says."""

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError

from grantfs_files import files, owed, policy, principals, sessions, users


class Command(BaseCommand):
    help = ("Records the owner of every private file, the groups of every user and every login in grantfs' policy, and ends what "
            "Django's database does not say: sessions that are over, sessions and links of users who may not log in, all of "
            "users and groups and files that are gone. For files that were there before grantfs; after QuerySet.update() and "
            "whatever else sends no signals; and after a backup was put back. Shares and other links stay as they are. "
            "Prints what it ended, and who was let in because a second row has the same file. Run it as often as you like.")

    def handle(self, **_):
        self.ended = 0
        try:
            owed.contact.start(raising=True)
            _, unpaid = owed.pay()
            counts = self.settle_files(), self.settle_users(), self.settle_sessions()
            self.forget_gone()
        except policy.PolicyError as error:
            raise CommandError(error) from error
        self.stdout.write("{} files, {} users and {} logins are as Django's database says; {} ended".format(*counts, self.ended))
        if self.refused:
            raise CommandError(f"{self.refused} files have names that are no paths in the store: see above")
        if unpaid:
            raise CommandError(f"{unpaid} changes are still owed to the policy; the log says why")

    def say(self, ended):
        for what in ended:
            self.stdout.write(f"ended: {what}")
        self.ended += len(ended)

    def settle_files(self):
        count, ended, given, refused = files.settle_files()
        self.say(ended)
        for who in given:
            self.stdout.write(f"granted: {who}")
        for path in refused:
            self.stderr.write(f"nobody was recorded as the owner of {path!r}: that is no path in the store")
        self.refused = len(refused)
        self.say(files.settle_folders())
        return count

    def settle_users(self):
        count, ended = users.settle_users()
        self.say(ended)
        return count

    def settle_sessions(self):
        model = sessions.session_model()
        live, ended = sessions.settle_all(model) if model else ((), ())
        self.say(ended)
        return len(live)

    def forget_gone(self):
        """Users and groups that the policy names and Django does not have."""
        with policy.reading() as rules:
            named = rules.principals()
        for model in (get_user_model(), Group):
            there = set(model._base_manager.values_list("pk", flat=True).iterator())
            for principal, pk in principals.named(model, named):
                if pk not in there:
                    self.say(users.settle_gone(model, principal, pk))
