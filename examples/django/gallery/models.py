from django.conf import settings
from django.db import models

from grantfs_files.fields import PrivateFileField


class Picture(models.Model):
    """A picture, a film or any other file of somebody's."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    title = models.CharField(max_length=100)
    file = PrivateFileField(owner="owner")
    added = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-added", "-pk"]

    def __str__(self):
        return self.title

    @property
    def kind(self):
        name = self.file.name.lower()
        if name.endswith((".png", ".jpg", ".jpeg", ".webp", ".gif")):
            return "image"
        return "video" if name.endswith((".webm", ".mp4")) else "other"
