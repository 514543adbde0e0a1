from django.contrib.auth import views as auth
from django.urls import include, path
from django.views.decorators.http import require_POST

urlpatterns = [
    path("login/", auth.LoginView.as_view(), name="login"),
    path("logout/", require_POST(auth.LogoutView.as_view()), name="logout"),  # by GET, any site could do it with a picture
    path("password/", auth.PasswordChangeView.as_view(success_url="/", template_name="registration/password.html"),
         name="password"),
    path("", include("gallery.urls")),
]
