from django.apps import AppConfig, apps
from django.core import checks
from django.db.models.signals import post_delete, post_save


class GrantfsFilesConfig(AppConfig):
    name = "grantfs_files"
    verbose_name = "Private files"

    def ready(self):
        from . import checks as ours
        from . import files, sessions, users

        checks.register(ours.check_settings, checks.Tags.security)
        checks.register(ours.check_machine, checks.Tags.security, deploy=True)
        users.connect()
        for model in apps.get_models():
            files.connect(model)
        session = sessions.session_model()
        if session is not None:
            post_save.connect(sessions.session_saved, sender=session)
            post_delete.connect(sessions.session_deleted, sender=session)
