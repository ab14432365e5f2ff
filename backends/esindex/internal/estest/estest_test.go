package estest

import (
	"fmt"
	"net/http"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	code := m.Run()
	StopShared()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// onlyInCI skips a test that starts a server, since the tests of other packages also start one.
func onlyInCI(t *testing.T) {
	t.Helper()
	if !inCI() {
		t.Skip("a test that starts a server runs only in CI")
	}
}

func TestKillAndRestart(t *testing.T) {
	onlyInCI(t)
	server := Own(t, Options{})
	client := server.Transport(t)
	send := func(method, path string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Perform(req)
		if err != nil {
			return 0
		}
		defer res.Body.Close()
		return res.StatusCode
	}
	if status := send(http.MethodPut, "/kept"); status != http.StatusOK {
		t.Fatalf("creating an index: status %d, want 200", status)
	}
	server.Kill()
	if status := send(http.MethodHead, "/kept"); status != 0 {
		t.Errorf("a killed server answers with status %d, want no answer", status)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status := send(http.MethodHead, "/kept"); status != http.StatusOK {
		t.Errorf("after the restart: status %d, want 200", status)
	}
}

func TestSecure(t *testing.T) {
	onlyInCI(t)
	server := Secure(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/_security/_authenticate", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := server.Transport(t).Perform(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("authentication: status %d, want 200", res.StatusCode)
	}
}
