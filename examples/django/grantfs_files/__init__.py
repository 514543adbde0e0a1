"""Private uploads that a web server serves through grantfs, without a view of yours in between.

README.md beside this folder says how it is put into a site.
"""
