from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Owed',
            fields=[
                ('id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('debt', models.CharField(max_length=40)),
                ('arguments', models.TextField()),
                ('mark', models.CharField(max_length=16)),
            ],
            options={
                'verbose_name_plural': 'owed',
            },
        ),
    ]
