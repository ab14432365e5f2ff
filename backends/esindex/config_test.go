package esindex

import (
	"go/build"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestInvalidConfig(t *testing.T) {
	_, err := New(nil, &Config{
		Prefix: "Products", Settings: []byte(`[]`), Mappings: []byte(`{"_meta":1}`), Aliases: []byte(`[]`),
		ReplicaTimeout: -1, ReapAfter: time.Second,
	})
	if err == nil {
		t.Fatal("New with an invalid Config: no error")
	}
	for _, name := range []string{
		"transport", "Prefix", "Settings", "Mappings", "Aliases", "ReplicaTimeout", "ReapAfter",
	} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("the error does not name %s: %v", name, err)
		}
	}
	for _, text := range []string{``, `null`, `{}{}`, `{"a":`, `1`} {
		if _, err := New(answers{}, &Config{Mappings: []byte(text)}); err == nil {
			t.Errorf("Mappings %q are accepted", text)
		}
	}
	for _, text := range []string{
		``, `{"a":1}`, `{"a":null}`, `{"A":{}}`, `{"a,b":{}}`, `{"products-x":{}}`, `{"":{}}`, `{"-a":{}}`,
		`{"{other}":{}}`,
	} {
		if _, err := New(answers{}, &Config{Aliases: []byte(text)}); err == nil {
			t.Errorf("Aliases %q are accepted", text)
		}
	}
	aliases := []byte(`{"all-products":{},"shop-{tenant}":{"filter":{"term":{"x":1}}}}`)
	if _, err := New(answers{}, &Config{Aliases: aliases}); err != nil {
		t.Error(err)
	}
	if _, err := New(answers{}, nil); err != nil {
		t.Error(err)
	}
}

func TestSettings(t *testing.T) {
	for _, test := range []struct {
		name, text string
		create     map[string]any
		wait       bool
	}{
		{"none", `{}`, map[string]any{}, false},
		{
			"nested", `{"index":{"refresh_interval":"5s","analysis":{"filter":{"x":{"type":"stop"}}}},"number_of_replicas":"2"}`,
			map[string]any{"index.analysis.filter.x.type": "stop", refreshInterval: "5s", replicas: "2"}, true,
		},
		{
			"flat", `{"index.auto_expand_replicas":"0-1","index.codec":"best_compression"}`,
			map[string]any{"index.codec": "best_compression", expandReplicas: "0-1"}, true,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := parseSettings([]byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			test.create[hidden] = true
			if !reflect.DeepEqual(s.create, test.create) || s.wait != test.wait {
				t.Errorf("settings %+v, want %v, wait for replicas: %v", s, test.create, test.wait)
			}
		})
	}
}

func FuzzSettings(f *testing.F) {
	f.Add([]byte(`{"index":{"number_of_replicas":1},"refresh_interval":"1s"}`))
	f.Add([]byte(`{"index":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := parseSettings(text)
		if err != nil {
			return
		}
		for name := range s.create {
			if !strings.HasPrefix(name, "index.") {
				t.Errorf("the setting %q does not begin with index.", name)
			}
		}
	})
}

// This package has few dependencies, since they become those of the host. The client's typed API alone has hundreds of
// packages.
func TestDependencies(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f",
		"{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	var foreign []string
	for path := range strings.FieldsSeq(string(out)) {
		if !build.IsLocalImport(path) && !strings.HasPrefix(path, "productindex/") {
			foreign = append(foreign, path)
		}
	}
	if len(foreign) > 36 {
		t.Errorf("%d packages outside the standard library, want about 30:\n%s", len(foreign), strings.Join(foreign, "\n"))
	}
	t.Logf("%d packages outside the standard library", len(foreign))
}
