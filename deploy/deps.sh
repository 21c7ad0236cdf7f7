#!/bin/sh
# Installs Postgres and Redis if they are missing, for `ping dev` and the tests,
# which start their own instances on their own ports. Services that already run
# are not touched; services that the installation adds are not started. With the
# argument `node` it also installs Node, which the test of the JavaScript client needs.
set -eu
want_node=${1:-}

# The folders that internal/devservices looks in, besides PATH.
has_postgres() {
    for folder in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/libexec/postgresql* /usr/local/pgsql/bin \
        /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin /home/linuxbrew/.linuxbrew/opt/postgresql@*/bin; do
        if [ -x "$folder/postgres" ] && [ -x "$folder/initdb" ]; then return 0; fi
    done
    command -v postgres >/dev/null && command -v initdb >/dev/null
}

has_redis() {
    command -v redis-server >/dev/null || command -v valkey-server >/dev/null
}

has_node() {
    [ "$want_node" != node ] || command -v node >/dev/null
}

if has_postgres && has_redis && has_node; then exit 0; fi

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "Postgres, Redis or Node is missing, and installing needs root: run 'sh deploy/deps.sh $want_node' as root, or install them yourself." >&2
        exit 1
    fi
}

# Debian starts a service for each server that is installed, now and at each boot.
# A policy that refuses prevents the start now (an existing policy is not changed),
# and the services that this installation added are disabled.
install_debian() {
    policy=/usr/sbin/policy-rc.d
    packages=
    services=
    has_postgres || { packages="$packages postgresql"; services="$services postgresql"; }
    has_redis || { packages="$packages redis-server"; services="$services redis-server"; }
    has_node || packages="$packages nodejs"
    as_root apt-get update -qq
    made_policy=
    if [ ! -e "$policy" ]; then
        made_policy=yes
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
    fi
    trap '[ -z "$made_policy" ] || as_root rm -f "$policy"' EXIT
    # shellcheck disable=SC2086 # the list has to be split
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
    if [ -d /run/systemd/system ] && [ -n "$services" ]; then
        # shellcheck disable=SC2086 # as above
        as_root systemctl --quiet disable $services
    fi
}

install_with() {
    # $1: the install command, $2: Postgres's packages, $3: Redis's; Node's is nodejs everywhere
    packages=
    has_postgres || packages="$packages $2"
    has_redis || packages="$packages $3"
    has_node || packages="$packages nodejs"
    # shellcheck disable=SC2086 # the lists have to be split
    as_root $1 $packages
}

echo "Installing Postgres, Redis${want_node:+ and Node}, as far as they are missing …"
if command -v apt-get >/dev/null; then
    install_debian
elif command -v dnf >/dev/null; then
    redis=redis
    dnf -q info redis >/dev/null 2>&1 || redis=valkey
    install_with "dnf install -y -q" "postgresql-server postgresql-contrib" "$redis"
elif command -v apk >/dev/null; then
    install_with "apk add --quiet" "postgresql postgresql-contrib" "redis"
elif command -v pacman >/dev/null; then
    install_with "pacman -S --noconfirm --needed" "postgresql" "valkey"
elif command -v brew >/dev/null; then
    # brew refuses to run as root.
    has_postgres || brew install --quiet postgresql@17
    has_redis || brew install --quiet redis
    has_node || brew install --quiet node
else
    echo "Found none of apt-get, dnf, apk, pacman and brew: install PostgreSQL (14 or newer), Redis${want_node:+ and Node (20.10 or newer)} yourself." >&2
    exit 1
fi

if ! has_postgres || ! has_redis || ! has_node; then
    echo "Something is still missing after installing: install PostgreSQL (14 or newer), Redis${want_node:+ and Node (20.10 or newer)} yourself." >&2
    exit 1
fi
