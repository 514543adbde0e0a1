from django.db import models


class Owed(models.Model):
    """Something that the policy is still to be told: see owed.py."""

    id = models.CharField(primary_key=True, max_length=64)  # a hash of the two, since `arguments` may be long for an index
    debt = models.CharField(max_length=40)
    arguments = models.TextField()  # JSON
    mark = models.CharField(max_length=16)  # another each time that it is owed again

    class Meta:
        verbose_name_plural = "owed"

    def __str__(self):
        return f"{self.debt} ({self.id[:8]}…)"  # for the log: the arguments may be a session's key


class SecretKey(models.Model):
    """Where the policy is in PostgreSQL: which SECRET_KEY its sessions were issued with."""

    fingerprint = models.CharField(primary_key=True, max_length=64)
