from django.urls import path

from . import views

urlpatterns = [
    path("", views.gallery, name="gallery"),
    path("pictures/<int:pk>/", views.picture, name="picture"),
    path("pictures/<int:pk>/delete/", views.delete, name="delete"),
    path("pictures/<int:pk>/share/", views.share, name="share"),
    path("pictures/<int:pk>/unshare/", views.unshare, name="unshare"),
    path("pictures/<int:pk>/link/", views.link, name="link"),
    path("pictures/<int:pk>/unlink/", views.unlink, name="unlink"),
]
