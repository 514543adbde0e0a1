from datetime import timedelta

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from grantfs_files import principals as by_key

from .models import Picture

EXPIRIES = [("1", "for an hour"), ("24", "for a day"), ("168", "for a week"), ("", "for good")]


class UploadForm(forms.ModelForm):
    class Meta:
        model = Picture
        fields = ["title", "file"]


class ExpiryForm(forms.Form):
    hours = forms.ChoiceField(choices=EXPIRIES, required=False, label="", initial="168")

    def expires(self):
        """For share_with() and create_link()."""
        hours = self.cleaned_data["hours"]
        return timedelta(hours=int(hours)) if hours else None


class ShareForm(ExpiryForm):
    """With a user, by name, or with one of one's own groups."""

    field_order = ["who", "hours"]
    who = forms.CharField(label="", widget=forms.TextInput(attrs={"placeholder": "a user or a group", "aria-label": "Share with"}))

    def __init__(self, *arguments, user, **options):
        super().__init__(*arguments, **options)
        self.user = user

    def clean_who(self):
        name = self.cleaned_data["who"]
        users = get_user_model().objects.filter(username=name, is_active=True)
        found = users.first() or self.user.groups.filter(name=name).first()
        if found is None:
            raise forms.ValidationError(f"There is no user {name}, and you are in no group of that name.")
        return found


def named(principals):
    """Each principal, such as "user:42", with what people know it as: {"user:42": "bob"}."""
    names = {principal: principal for principal in principals}
    for model in (get_user_model(), Group):
        pks = dict(by_key.named(model, principals))
        found = model.objects.in_bulk(pks.values())
        names.update((principal, str(found[pk])) for principal, pk in pks.items() if pk in found)
    return names
