#!/bin/sh
# Starts the peer in a container, and sets its home up the first time.
set -eu
test -e "$CHORE_HOME/chore.toml" || chore setup
# The peer itself is the first process, so that it is told to stop.
exec chore run "$@"
