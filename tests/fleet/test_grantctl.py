"""The cases of the suite grantctl once more, with the policy in PostgreSQL."""

import importlib.util
import pathlib
import sys
import unittest

import on_postgresql
from cluster import server

SUITE = pathlib.Path(__file__).resolve().parents[1] / "grantctl"

#: The classes of each module, and of each class the cases that are about SQLite's file or a daemon on it.
CLASSES = {
    "test_grantctl": {
        "Options": {"test_options_stand_before_or_after_the_command", "test_a_long_argument_is_not_repeated_whole"},
        "Rules": set(),
        # A name that is not UTF-8 cannot be in PostgreSQL: see test_upstream.
        "Arguments": {"test_names_are_bytes"},
        "Groups": set(),
        "Sessions": {"test_the_token_is_printed_once_and_alone"},
        "JsonErrors": {"test_every_error_is_a_document", "test_lack_of_memory_is_one"},
    },
    "test_answers": {"Who": set(), "Ls": set(), "SeveralPaths": set(), "Transfer": set(), "Import": set(), "Labels": set(),
                     "LookedAtFirst": {"test_a_user_at_a_terminal_is_asked_and_a_program_is_not"}},
    "test_json": {"Fields": {"test_the_database", "test_daemons", "test_in_bulk", "test_every_command_is_on_the_page"}},
    "test_import": {
        "Csv": {"test_values_are_bytes_and_may_be_quoted"},
        "Tables": set(),
        "Again": {"test_a_second_time_nothing_changes"},
        "Terminal": set(),
    },
    "test_keys": {"Keys": {"test_what_moves_or_drops_keys_alone_is_recalled"}},
    "test_links": {"Links": {"test_a_token_is_printed_once_and_its_hash_is_kept"}},
    "test_python": {"Package": set()},
    "test_scan": {"Scan": {"test_names_are_bytes"}},
    "test_check_and_status": {"Check": set()},
    "test_whole_store": {"Written": set()},
}


class OnPostgresql:
    """Before a case of the suite: its database is one in PostgreSQL."""

    def make_name(self):
        self.name = on_postgresql.new_database(self)
        return server().uri(self.name)

    def sql(self, statement, *parameters):
        return on_postgresql.query(self.name, statement, *parameters)


def load_tests(loader, _tests, _pattern):
    sys.path.append(str(SUITE))  # behind this folder, which has modules of the same names
    suite = unittest.TestSuite()
    for module_name, classes in CLASSES.items():
        # The suite has a module of this one's name.
        spec = importlib.util.spec_from_file_location(f"suite_{module_name}", SUITE / f"{module_name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for class_name, left_out in classes.items():
            original = getattr(module, class_name)
            case = type(f"{class_name}OnPostgresql", (OnPostgresql, original), {"__module__": __name__})
            names = loader.getTestCaseNames(case)
            missing = left_out - set(names)
            assert not missing, f"{module_name} has no {missing}"
            suite.addTests(case(name) for name in names if name not in left_out)
    return suite


if __name__ == "__main__":
    unittest.main()
