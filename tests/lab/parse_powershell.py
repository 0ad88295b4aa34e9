"""Parses PowerShell scripts and fails at the first place that is none. Nothing is run: this machine has no PowerShell."""

import sys

import tree_sitter_powershell
from tree_sitter import Language, Node, Parser

# Operators and parameters of PowerShell 7, which Windows PowerShell 5.1 does not know.
NEWER = (" ?? ", "??=", "?.", " && ", " || ", "-Parallel", "-AsHashtable")


def faults(node: Node):
    if node.is_error or node.is_missing:
        yield node
    for child in node.children:
        yield from faults(child)


def main(paths: list[str]) -> int:
    parser = Parser(Language(tree_sitter_powershell.language()))
    found = 0
    for path in paths:
        text = open(path, "rb").read()
        for node in faults(parser.parse(text).root_node):
            row, column = node.start_point
            print(f"{path}:{row + 1}:{column + 1}: {node.type}: {node.text[:60].decode()!r}", file=sys.stderr)
            found += 1
        for number, line in enumerate(text.decode("ascii").splitlines(), 1):
            for newer in NEWER:
                if newer in line and not line.lstrip().startswith("#"):
                    print(f"{path}:{number}: `{newer.strip()}` is not in PowerShell 5.1", file=sys.stderr)
                    found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
