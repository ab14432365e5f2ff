// Package program helps tests to run database servers that packages of the distribution have installed.
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

// Missing skips the test because of err, or fails it if CI=true is set.
func Missing(tb testing.TB, err error) {
	tb.Helper()
	if os.Getenv("CI") == "true" {
		tb.Fatal(err)
	}
	tb.Skip(err)
}

// Dir creates a folder as [MakeDir] does. It is removed at the end of the test.
func Dir(tb testing.TB, name, owner string) (string, *syscall.SysProcAttr) {
	tb.Helper()
	dir, attr, err := MakeDir(name, owner)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir, attr
}

// MakeDir creates a folder for a server, and returns the attributes of the server's processes. Servers refuse to run as
// root. If the test runs as root, the folder belongs to the user owner, or to nobody if there is no such user, and the
// attributes make the processes run as that user.
//
// [testing.T.TempDir] does not suit: other users cannot enter its folder, and its path is too long for a Unix socket.
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

// credential returns the credential of a server's processes, or nil for the user that runs the test.
func credential(owner string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // nil means the current user
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
