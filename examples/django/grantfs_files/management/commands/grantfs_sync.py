"""Makes the policy say again what Django's database says."""

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from django.utils import timezone

from grantfs_files import files, sessions, users


class Command(BaseCommand):
    help = ("Records the owner of every private file and the groups of every user in grantfs' policy, and ends sessions that are "
            "none of Django's. For files that were there before grantfs, and after a backup was put back. Shares and links "
            "stay as they are.")

    def handle(self, **_):
        count = 0
        for model in apps.get_models():
            for field in files.private_fields(model):
                names = model._base_manager.exclude(**{field.name: ""}).values_list(field.name, flat=True)
                for name in filter(None, names.iterator()):
                    files.settle_file(model._meta.label, field.name, name, model._base_manager.db)
                    count += 1
        members = 0
        for pk in get_user_model()._base_manager.values_list("pk", flat=True).iterator():
            users.settle_user(pk, get_user_model()._base_manager.db)
            members += 1
        model = sessions.session_model()
        ended = sessions.end_stale(model, timezone.now()) if model else 0
        self.stdout.write(f"{count} files and {members} users are as Django's database says; {ended} sessions ended")
