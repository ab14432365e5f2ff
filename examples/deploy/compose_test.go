package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// compose is the part of compose.yaml that the tests read.
type compose struct {
	Services map[string]struct {
		Image       string
		Build       struct{ Context, Dockerfile string }
		Environment map[string]string
		Volumes     []string
		DependsOn   map[string]any `yaml:"depends_on"`
	}
	Volumes map[string]any
}

func read(t *testing.T, file string, to any) {
	t.Helper()
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(body, to); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// The compose file names a version of each image. All files, volumes, services and environment variables in it exist.
func TestCompose(t *testing.T) {
	var c compose
	read(t, "compose.yaml", &c)
	for name, service := range c.Services {
		if service.Image != "" && !regexp.MustCompile(`^[a-z0-9./-]+:v?\d+(\.\d+)*$`).MatchString(service.Image) {
			t.Errorf("the image of %s has no version: %q", name, service.Image)
		}
		for _, volume := range service.Volumes {
			from, _, _ := strings.Cut(volume, ":")
			_, named := c.Volumes[from]
			if _, err := os.Stat(from); err != nil && !named && from != "./catalogues" {
				t.Errorf("%s mounts %s: %v", name, from, err)
			}
		}
		for other := range service.DependsOn {
			if _, ok := c.Services[other]; !ok {
				t.Errorf("%s depends on %s, which does not exist", name, other)
			}
		}
	}
	server := c.Services["productindex"]
	if _, err := os.Stat(filepath.Join(server.Build.Context, server.Build.Dockerfile)); err != nil {
		t.Error(err)
	}
	source, err := filepath.Glob("../server/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, file := range source {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		code.Write(body)
	}
	for name := range server.Environment {
		if !regexp.MustCompile(`env:"` + name + `[",]`).MatchString(code.String()) {
			t.Errorf("the server reads no variable %s", name)
		}
	}
}

// The files with which Grafana finds the dashboard and its data agree with the compose file.
func TestGrafana(t *testing.T) {
	var datasource struct{ Datasources []struct{ URL string } }
	read(t, "grafana/datasource.yml", &datasource)
	if got := datasource.Datasources; len(got) != 1 || got[0].URL != "http://prometheus:9090" {
		t.Errorf("got the data sources %v, want Prometheus", got)
	}
	var provisioning struct {
		Providers []struct{ Options struct{ Path string } }
	}
	read(t, "grafana/provisioning.yml", &provisioning)
	var c compose
	read(t, "compose.yaml", &c)
	want := "./grafana/reindexing.json:" + provisioning.Providers[0].Options.Path + "/reindexing.json:ro"
	if got := c.Services["grafana"].Volumes; !slices.Contains(got, want) {
		t.Errorf("Grafana has the volumes %q, want also %q", got, want)
	}
}

// The image runs as an unprivileged user, and its build command is valid.
func TestDockerfile(t *testing.T) {
	body, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	var build, user string
	for line := range strings.Lines(string(body)) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "" || strings.HasPrefix(name, "#") {
			continue
		}
		names = append(names, name)
		if strings.Contains(rest, "go build") {
			build = rest
		}
		if name == "USER" {
			user = rest
		}
	}
	want := strings.Fields("FROM WORKDIR COPY RUN COPY RUN FROM COPY USER ENV EXPOSE ENTRYPOINT")
	if !reflect.DeepEqual(names, want) || user != "65532:65532" {
		t.Errorf("got the instructions %q and the user %q, want %q and an unprivileged user", names, user, want)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(build, "go build", "go build -n", 1))
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: got error %v, want a server that compiles:\n%s", build, err, out)
	}
}
