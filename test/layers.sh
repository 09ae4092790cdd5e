#!/bin/bash
#
# Does each file of src/ use only what it may?  A folder uses itself and those before
# it in this order, "." being src/ itself; there is no circle, inside a folder either;
# and an include of ours names its folder.
order=(base meta version tier redis ground section change ddl call prompt .)

cd "${1:-$(dirname "$0")/../src}" || exit 1
declare -A rank
for i in "${!order[@]}"; do rank[${order[i]}]=$i; done
fault() { echo "src/$file: $1"; status=1; }

status=0
pairs=()
while read -r file header; do
	from=${file%/*}
	to=./$header
	to=${to%/*}
	[ "$to" = . ] || to=${to#./}
	[ "$from" != "$file" ] || from=.
	if [ ! -e "$header" ]; then
		[ ! -e "$from/$header" ] || fault "\"$header\" does not name its folder"
		continue
	fi
	[ "${rank[$to]:-99}" -le "${rank[$from]:--1}" ] || fault "uses $header, which comes after it"
	[ "${file%.*}" = "${header%.*}" ] || pairs+=("${file%.*} ${header%.*}")
done < <(grep -rE --include='*.[ch]' '^ *# *include' . | sed -E 's,^\./([^:]*):[^"<]*["<]([^">]*).*,\1 \2,')
[ ${#pairs[@]} -gt 100 ] || { echo "no files were found"; exit 1; }
printf '%s\n' "${pairs[@]}" | tsort >/dev/null || { echo "a circle"; status=1; }
exit $status
