package devservices

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// OldestPostgres is the oldest major version of Postgres that Ping runs on.
const OldestPostgres = 14

// Where distributions keep the binaries of Postgres, which are not all on PATH.
var postgresFolders = []string{
	"/usr/lib/postgresql/*/bin",          // Debian, Ubuntu
	"/usr/pgsql-*/bin",                   // PostgreSQL's packages for Fedora and its kin
	"/usr/libexec/postgresql*",           // Alpine
	"/usr/local/pgsql/bin",               // built from source
	"/opt/homebrew/opt/postgresql@*/bin", // macOS on ARM
	"/usr/local/opt/postgresql@*/bin",    // macOS on Intel
	"/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
}

// postgresInstall is one installed Postgres.
type postgresInstall struct {
	bin   string // the folder with postgres and initdb
	major int
}

// installedPostgres lists what is installed: the one on PATH first, then the
// others, newest first.
func installedPostgres() []postgresInstall {
	var found []postgresInstall
	for _, pattern := range postgresFolders {
		folders, _ := filepath.Glob(pattern) // only a malformed pattern is an error
		for _, folder := range folders {
			if install, ok := postgresIn(folder); ok {
				found = append(found, install)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b postgresInstall) int { return b.major - a.major })
	// The program on PATH may be a link to a folder without initdb.
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			if install, ok := postgresIn(filepath.Dir(path)); ok {
				found = slices.DeleteFunc(found, func(other postgresInstall) bool { return other == install })
				found = slices.Insert(found, 0, install)
			}
		}
	}
	return found
}

// postgresIn tells which Postgres is in the folder, if one is with all it needs.
func postgresIn(folder string) (postgresInstall, bool) {
	for _, binary := range []string{"postgres", "initdb"} {
		if _, err := exec.LookPath(filepath.Join(folder, binary)); err != nil {
			return postgresInstall{}, false
		}
	}
	out, err := exec.Command(filepath.Join(folder, "postgres"), "--version").Output()
	if err != nil {
		return postgresInstall{}, false
	}
	// "postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)", "… 18beta1"
	_, version, _ := strings.Cut(string(out), "(PostgreSQL) ")
	digits := strings.IndexFunc(version, func(r rune) bool { return r < '0' || r > '9' })
	if digits < 0 {
		digits = len(version)
	}
	major, err := strconv.Atoi(version[:digits])
	return postgresInstall{bin: folder, major: major}, err == nil
}

// choosePostgres picks the installed Postgres for a data folder: the folder's
// major version if it has one, else the first that is new enough.
func choosePostgres(installed []postgresInstall, data string) (postgresInstall, error) {
	if len(installed) == 0 {
		return postgresInstall{}, fmt.Errorf("PostgreSQL (%d or newer) was not found on PATH nor where distributions put it: run `make deps` to install it", OldestPostgres)
	}
	made, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if os.IsNotExist(err) {
		for _, install := range installed {
			if install.major >= OldestPostgres {
				return install, nil
			}
		}
		return postgresInstall{}, fmt.Errorf("PostgreSQL %d is installed, Ping needs %d or newer: run `make deps` or install a newer one", installed[0].major, OldestPostgres)
	}
	if err != nil {
		return postgresInstall{}, fmt.Errorf("read the version of the database: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(made)))
	if err != nil {
		return postgresInstall{}, fmt.Errorf("%s is not the version of a PostgreSQL: %w", filepath.Join(data, "PG_VERSION"), err)
	}
	var others []string
	for _, install := range installed {
		if install.major == major {
			return install, nil
		}
		others = append(others, strconv.Itoa(install.major))
	}
	return postgresInstall{}, fmt.Errorf("the data in %s was written by PostgreSQL %d, but PostgreSQL %s is installed: install PostgreSQL %d, or move the folder away to start with an empty one",
		data, major, strings.Join(others, " and "), major)
}

// findRedis returns the path of a Redis server, or of Valkey, its free twin.
func findRedis() (string, error) {
	for _, binary := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(binary); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("redis-server was not found on PATH: run `make deps` to install Redis")
}

// PostgresMajor returns the major version that a new data folder would have.
func PostgresMajor() (int, error) {
	install, err := choosePostgres(installedPostgres(), "")
	return install.major, err
}
