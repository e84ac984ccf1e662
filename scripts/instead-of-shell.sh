# npm passes signals on to the shell of a script and no further, so that node has to take the place of that shell. The script begins with
# this file, which fails; on Windows, where it cannot be read, that is so too.
node() { exec node "$@"; }
false
