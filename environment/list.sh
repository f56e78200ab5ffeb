#!/bin/sh
# Print one column of packages.txt: list.sh debian | conda | pypi | modules
awk -v want="$1" '
    { sub(/#.*/, "") }
    /^\[/ { section = $1; next }
    NF == 0 { next }
    section == "[packages]" && want == "debian" { print $1 }
    section == "[packages]" && want == "conda" && $2 != "-" { print $2 }
    section == "[" want "]" { for (i = 1; i <= NF; i++) print $i }
' "$(dirname "$0")/packages.txt"
