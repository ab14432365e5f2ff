// Package program helps to run a database server that a distribution's package installs, for a test.
package program

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
	"testing"
)

// Missing skips the test because of err, or fails it with CI=true.
func Missing(tb testing.TB, err error) {
	tb.Helper()
	if os.Getenv("CI") == "true" {
		tb.Fatal(err)
	}
	tb.Skip(err)
}

// Dir creates a folder as [MakeDir] does, which is removed when the test ends.
func Dir(tb testing.TB, name, owner string) (string, *syscall.SysProcAttr) {
	tb.Helper()
	dir, attr, err := MakeDir(name, owner)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir, attr
}

// MakeDir creates a folder for a server, and returns what a process of the server needs: servers refuse to run as root,
// and then run as the given user, or nobody, to whom the folder belongs.
//
// A folder of the test itself would be closed to other users, and its name too long for a socket.
func MakeDir(name, owner string) (string, *syscall.SysProcAttr, error) {
	cred, err := credential(owner)
	if err != nil {
		return "", nil, err
	}
	dir, err := os.MkdirTemp("", name)
	if err != nil {
		return "", nil, err
	}
	if cred != nil {
		if err := os.Chown(dir, int(cred.Uid), int(cred.Gid)); err != nil {
			return "", nil, errors.Join(err, os.RemoveAll(dir))
		}
	}
	return dir, &syscall.SysProcAttr{Credential: cred}, nil
}

// credential returns whom a server runs as; nil means the user that runs the test.
func credential(owner string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // no credential and no error: the process's own user will do
	}
	u, err := user.Lookup(owner)
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user %s: %w", u.Username, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user %s: %w", u.Username, err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}
