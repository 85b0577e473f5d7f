# shellcheck shell=bash
# Reads "$results", which has one line per measurement: its name, then its figures.
median() { sort -g | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }'; }

# column <name> <field>: the median of all measurements of that name
column() { awk -v s="$1" -v f="$2" '$1 == s { print $f }' "$results" | median; }
