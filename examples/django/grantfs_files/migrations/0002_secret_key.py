from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('grantfs_files', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='SecretKey',
            fields=[
                ('fingerprint', models.CharField(max_length=64, primary_key=True, serialize=False)),
            ],
        ),
    ]
