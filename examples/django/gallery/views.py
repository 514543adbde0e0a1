"""Pages alone: no view here ever sends a file."""

from datetime import datetime, timezone
from functools import reduce
from operator import or_

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.db.models import Q
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from grantfs_files import owed, policy, principals

from .forms import ExpiryForm, ShareForm, UploadForm, named
from .models import Picture

AT_ONCE = 100


@never_cache
@login_required
def gallery(request):
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        form.instance.owner = request.user
        with transaction.atomic():
            form.save()
        return redirect("gallery")
    return render(request, "gallery/gallery.html", {
        "form": form, "mine": Picture.objects.filter(owner=request.user), "theirs": shared_with(request.user)})


def shared_with(user):
    """Pictures of others that the policy lets this user see, by name or by group; None if it cannot be asked just now.

    A site where people share by the hundred would rather keep its shares in a table of Django's too.
    """
    try:
        with policy.reading() as rules:
            paths = set(rules.granted_to([principals.of(who) for who in (user, *user.groups.all())]))
    except policy.PolicyError as error:
        owed.contact.failed(error)
        return None
    others = Picture.objects.exclude(owner=user).select_related("owner")
    found, remaining = [], sorted(paths)
    while remaining:  # a database takes so many conditions, and anybody may share with anybody
        some, remaining = remaining[:AT_ONCE], remaining[AT_ONCE:]
        found += others.filter(reduce(or_, (Q(file=path) | Q(file__startswith=f"{path}/") for path in some)))
    newest_first = sorted(found, key=lambda picture: (picture.added, picture.pk), reverse=True)
    return [picture for picture in newest_first if picture.file.rule_path in paths]


@never_cache
@login_required
def picture(request, pk):
    picture = own(request, pk)
    page = {"picture": picture, "share_form": ShareForm(user=request.user), "link_form": ExpiryForm()}
    try:
        shares = picture.file.shares()
        names = named([principal for principal, _ in shares])
        page["shares"] = [(principal, names[principal], moment(expires)) for principal, expires in shares]
        page["links"] = [(identifier, moment(expires)) for identifier, expires in picture.file.links()]
    except policy.PolicyError as error:
        owed.contact.failed(error)
        page["trouble"] = True
    return render(request, "gallery/picture.html", page)


@login_required
@require_POST
def delete(request, pk):
    with transaction.atomic():
        own(request, pk).delete()
    return redirect("gallery")


@login_required
@require_POST
def share(request, pk):
    picture, form = own(request, pk), ShareForm(request.POST, user=request.user)
    if form.is_valid():
        picture.file.share_with(form.cleaned_data["who"], form.expires())
    else:
        messages.error(request, " ".join(sum(form.errors.values(), [])))
    return redirect("picture", pk)


@login_required
@require_POST
def unshare(request, pk):
    own(request, pk).file.unshare(request.POST.get("principal", ""))
    return redirect("picture", pk)


@login_required
@require_POST
def link(request, pk):
    picture, form = own(request, pk), ExpiryForm(request.POST)
    if form.is_valid():
        # Shown once: what is kept is a hash.
        messages.info(request, request.build_absolute_uri(picture.file.create_link(form.expires())), extra_tags="link")
    return redirect("picture", pk)


@login_required
@require_POST
def unlink(request, pk):
    own(request, pk).file.remove_link(request.POST.get("link", ""))
    return redirect("picture", pk)


def own(request, pk):
    return get_object_or_404(Picture, pk=pk, owner=request.user)


def moment(seconds):
    return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc)
