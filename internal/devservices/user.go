package devservices

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is the user that Postgres runs as, where that is not this process's.
type account struct {
	name     string
	uid, gid int
}

// postgresAccount returns the user to run Postgres as: nil for this process's
// own, and for root the owner of the data folder, else postgres, else nobody.
func postgresAccount(data string) (*account, error) {
	owner := -1
	group := -1
	if info, err := os.Stat(data); err == nil {
		stat := info.Sys().(*syscall.Stat_t)
		owner, group = int(stat.Uid), int(stat.Gid)
	}
	if os.Geteuid() != 0 {
		if owner >= 0 && owner != os.Geteuid() {
			return nil, fmt.Errorf("%s belongs to user %s: start Ping as that user or as root, or choose another folder", data, userName(owner))
		}
		return nil, nil
	}
	if owner > 0 {
		return &account{name: userName(owner), uid: owner, gid: group}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.Atoi(found.Uid)
		if err != nil {
			continue
		}
		gid, err := strconv.Atoi(found.Gid)
		if err != nil {
			continue
		}
		return &account{name: name, uid: uid, gid: gid}, nil
	}
	return nil, fmt.Errorf("postgres will not run as root, and there is neither a user postgres nor a user nobody to run it as")
}

func userName(uid int) string {
	if found, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return found.Username
	}
	return strconv.Itoa(uid)
}

// give makes the file or folder the account's own. With no account it already is.
func (a *account) give(path string) error {
	if a == nil {
		return nil
	}
	return os.Lchown(path, a.uid, a.gid)
}

// apply makes the command run as the account, able to reach the folder dir.
func (a *account) apply(cmd *exec.Cmd, dir string) error {
	if a == nil {
		return nil
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)},
	}
	barrier := a.barrier(dir)
	if barrier != "" && !allowPassing(cmd.SysProcAttr) {
		return fmt.Errorf("user %s, as which Postgres runs, cannot pass %s: choose a data folder elsewhere", a.name, barrier)
	}
	return nil
}

// barrier returns the first folder on the way to dir, dir included, that the
// account has no permission to pass, and "" when there is none.
func (a *account) barrier(dir string) string {
	const ownerPass, groupPass, otherPass = 0o100, 0o010, 0o001
	blocked := ""
	for folder := dir; ; folder = filepath.Dir(folder) {
		info, err := os.Stat(folder)
		if err != nil {
			return folder
		}
		stat := info.Sys().(*syscall.Stat_t)
		needed := os.FileMode(otherPass)
		switch {
		case int(stat.Uid) == a.uid:
			needed = ownerPass
		case int(stat.Gid) == a.gid:
			needed = groupPass
		}
		if info.Mode()&needed == 0 {
			blocked = folder
		}
		if folder == filepath.Dir(folder) {
			return blocked
		}
	}
}
