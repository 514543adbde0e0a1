#!/usr/bin/python3
"""Writes what Debian packages of grantfs are made of, as SPDX 2.3 (https://spdx.github.io/spdx-spec/v2.3/): sbom.py FOLDER, where
dpkg-buildpackage has left them with their .buildinfo. The same packages give the same bytes."""

import email.utils
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import time

#: Libraries of templates: nothing of them is linked at run time, so their code is in our programs.
COMPILED_IN = {"libcli11-dev", "nlohmann-json3-dev"}
NAME = r"[a-z0-9][a-z0-9+.-]+"


def fields_of(text):
    """A paragraph of deb822(5): its fields, with folded lines joined."""
    fields, name = {}, None
    for line in text.splitlines():
        if line[:1] in (" ", "\t"):
            fields[name] += "\n" + line.strip()
        elif ":" in line:
            name, value = line.split(":", 1)
            fields[name] = value.strip()
    return fields


def names_in(relations):
    """The packages that a field of relations names, the first of each alternative, without versions and profiles."""
    return [match[0] for part in relations.replace("\n", " ").split(",") if (match := re.match(NAME, part.strip()))]


class Package:
    def __init__(self, path):
        self.path = path
        shown = subprocess.run(["dpkg-deb", "--field", path], capture_output=True, text=True, check=True)
        self.fields = fields_of(shown.stdout)
        self.name = self.fields["Package"]

    def dependencies(self):
        return names_in(self.fields.get("Depends", "") + "," + self.fields.get("Pre-Depends", ""))


def identifier(name):
    return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", name)


def package_entry(name, version, **more):
    return {"SPDXID": identifier(name), "name": name, "versionInfo": version, "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False, "licenseConcluded": "NOASSERTION", "licenseDeclared": "NOASSERTION",
            "copyrightText": "NOASSERTION",
            "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                              "referenceLocator": f"pkg:deb/debian/{name.replace('+', '%2B')}@{version.replace('+', '%2B')}"}], **more}


def relation(one, kind, other):
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def document(packages, buildinfo, control, changelog):
    """The SBOM of these packages, which were built of what `buildinfo` lists."""
    installed = dict(re.findall(rf"({NAME})(?::\w+)? \(= ([^)]+)\)", buildinfo["Installed-Build-Depends"]))
    ours = {package.name for package in packages}
    entries, relations = [], []
    needed = set()
    for package in sorted(packages, key=lambda one: one.name):
        digest = hashlib.sha256(package.path.read_bytes()).hexdigest()
        entries.append(package_entry(package.name, package.fields["Version"], packageFileName=package.path.name,
                                     licenseDeclared="MIT", copyrightText="2026 the grantfs authors",
                                     checksums=[{"algorithm": "SHA256", "checksumValue": digest}]))
        relations.append(relation("SPDXRef-DOCUMENT", "DESCRIBES", identifier(package.name)))
        for name in package.dependencies():
            if name in ours or name in installed:
                needed.add(name)
                relations.append(relation(identifier(package.name), "DEPENDS_ON", identifier(name)))
    for name in names_in(control["Build-Depends"]):
        if name not in installed:
            continue  # of a profile, or virtual
        needed.add(name)
        for package in sorted(ours):
            relations.append(relation(identifier(package), "STATIC_LINK", identifier(name)) if name in COMPILED_IN else
                             relation(identifier(name), "BUILD_DEPENDENCY_OF", identifier(package)))
    entries += [package_entry(name, installed[name]) for name in sorted(needed - ours)]

    # The date of the changelog, which is the date of every file in the packages.
    date = email.utils.parsedate_to_datetime(re.search(r"(?m)^ -- .*>  (.*)$", changelog)[1]).timestamp()
    hashes = "".join(entry["checksums"][0]["checksumValue"] for entry in entries if "checksums" in entry)
    version = packages[0].fields["Version"]
    return {"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": f"grantfs-{version}",
            "documentNamespace": f"https://grantfs.invalid/spdx/{version}/{hashlib.sha256(hashes.encode()).hexdigest()}",
            "creationInfo": {"created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(date)), "creators": ["Tool: tools/lib/sbom.py"]},
            "packages": entries, "relationships": relations}


def main():
    top = pathlib.Path(__file__).resolve().parents[2]
    folder = pathlib.Path(sys.argv[1])
    buildinfo = next(folder.glob("grantfs_*.buildinfo"))
    packages = [Package(path) for path in sorted(folder.glob("*.deb"))]
    made = document(packages, fields_of(buildinfo.read_text()), fields_of((top / "debian/control").read_text().split("\n\n")[0]),
                    (top / "debian/changelog").read_text())
    (folder / (buildinfo.stem + ".spdx.json")).write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
