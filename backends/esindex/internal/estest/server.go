package estest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"productindex/reindex/reindextest"
)

// Options configure a server.
type Options struct {
	// Release is the release to run. The zero value means that of ESTEST_SERVER, or else the default.
	Release Release
	// Secure turns on TLS and authentication.
	Secure bool
	// Settings are additional settings of the node.
	Settings map[string]string
	// ForLong makes the JVM optimize its code, for a server that is measured or runs for hours. The start, and requests in
	// the first minutes, then take twice as much processor time.
	ForLong bool
}

// Server is a running server.
type Server struct {
	// Release is the running release. It is the zero value if the server is that of ELASTICSEARCH_URL.
	Release Release
	// URL is the address of the server, without a path. Restart does not change it.
	URL string
	// CA is the certificate of the authority that has signed the server's certificate, in PEM. It is nil without TLS.
	CA []byte
	// Username and Password are those of the superuser. They are empty without security.
	Username, Password string

	opts      Options
	javaHome  string
	home, dir string
	port      string
	process   *process
}

// nobody is the user that runs the server if the tests run as root, since a server refuses to run as root.
const nobody = 65534

// Fetch downloads the release of ESTEST_SERVER, or the default release, if the cache does not have it.
func Fetch(ctx context.Context) error {
	release, err := ParseRelease(os.Getenv("ESTEST_SERVER"))
	if err != nil {
		return err
	}
	_, _, err = fetch(ctx, release)
	return err
}

// fetch returns the directories of a release and of the JDK for it. It downloads the release if necessary.
func fetch(ctx context.Context, release Release) (home, javaHome string, err error) {
	if _, err := exec.LookPath("mvn"); err != nil {
		return "", "", fmt.Errorf("%w: %w", errMissing, err)
	}
	if javaHome, err = release.javaHome(); err != nil {
		return "", "", err
	}
	home, err = distribution(ctx, release, javaHome)
	return home, javaHome, err
}

// Start starts a server and waits until it serves requests. The caller must call Stop. The context limits only the
// start.
func Start(ctx context.Context, opts Options) (*Server, error) {
	release := opts.Release
	if release == (Release{}) {
		var err error
		if release, err = ParseRelease(os.Getenv("ESTEST_SERVER")); err != nil {
			return nil, err
		}
	}
	if opts.Secure && release != defaultRelease {
		return nil, fmt.Errorf("%w, not on %v", errNotSecure, release)
	}
	home, javaHome, err := fetch(ctx, release)
	if err != nil {
		return nil, err
	}
	// The directory is in memory, since the server waits for the disk at each change of an index.
	dir, err := os.MkdirTemp(reindextest.MemoryDir(), "estest-")
	if err != nil {
		return nil, err
	}
	s := &Server{Release: release, opts: opts, javaHome: javaHome, home: home, dir: dir, port: "0"}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := s.Restart(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// prepare creates the directories of the server. The directory repo is for snapshots.
func (s *Server) prepare(ctx context.Context) error {
	for _, sub := range []string{"config", "data", "logs", "repo", "tmp"} {
		if err := os.Mkdir(filepath.Join(s.dir, sub), 0o755); err != nil {
			return err
		}
	}
	config := filepath.Join(s.dir, "config")
	if err := os.CopyFS(config, os.DirFS(filepath.Join(s.home, "config"))); err != nil {
		return err
	}
	if err := withoutCollector(filepath.Join(config, "jvm.options")); err != nil {
		return err
	}
	if s.opts.Secure {
		if err := s.secure(ctx, config); err != nil {
			return err
		}
	}
	return s.chown()
}

// withoutCollector removes the garbage collector and its log from a file of JVM options. The JVM accepts only one
// collector, which javaOptions chooses, and OpenSearch would write the log to the cached distribution.
func withoutCollector(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var kept []string
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, "-Xlog:gc") && !strings.Contains(line, "-XX:+UseG1GC") {
			kept = append(kept, line)
		}
	}
	return os.WriteFile(file, []byte(strings.Join(kept, "")), 0o644)
}

// javaOptions returns the options of the server's JVM.
func (s *Server) javaOptions() string {
	const memory = "-Xms512m -Xmx512m "
	if s.opts.ForLong {
		return memory + "-XX:+UseG1GC"
	}
	return memory + quickJava + " -XX:+UseSerialGC"
}

// quickJava disables the optimizing compiler of a JVM that ends soon.
const quickJava = "-XX:TieredStopAtLevel=1"

// chown makes the user that runs the server the owner of its directory, if the tests run as root.
func (s *Server) chown() error {
	if os.Geteuid() != 0 {
		return nil
	}
	return filepath.WalkDir(s.dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, nobody, nobody)
	})
}

// Restart starts a killed server on the same port and with the same data, and waits until it serves requests.
func (s *Server) Restart(ctx context.Context) error {
	p, err := s.start()
	if err != nil {
		return err
	}
	s.process = p
	if err := s.wait(ctx); err != nil {
		s.Kill()
		return fmt.Errorf("starting %v: %w; the end of its output:\n%s", s.Release, err, p.tail())
	}
	return nil
}

// settings returns the command-line arguments of the server.
func (s *Server) settings() []string {
	settings := map[string]any{
		"discovery.type": "single-node",
		"cluster.routing.allocation.disk.threshold_enabled": false,
		"cluster.max_shards_per_node":                       5000,
		"path.data":                                         filepath.Join(s.dir, "data"),
		"path.logs":                                         filepath.Join(s.dir, "logs"),
		"http.host":                                         "127.0.0.1",
		"http.port":                                         s.port,
		"transport.host":                                    "127.0.0.1",
		"transport.port":                                    0,
		"path.repo":                                         filepath.Join(s.dir, "repo"),
	}
	if s.Release.Family == "elasticsearch" {
		settings["xpack.security.enabled"] = s.opts.Secure
		settings["xpack.security.http.ssl.enabled"] = s.opts.Secure
	}
	if s.opts.Secure {
		settings["xpack.security.autoconfiguration.enabled"] = false
		settings["xpack.security.http.ssl.certificate"] = certFile
		settings["xpack.security.http.ssl.key"] = keyFile
	}
	for name, value := range s.opts.Settings {
		settings[name] = value
	}
	var args []string
	for name, value := range settings {
		args = append(args, "-E", fmt.Sprintf("%s=%v", name, value))
	}
	return args
}

// command returns a command that runs one of the distribution's programs as the unprivileged user.
func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command("bash", append([]string{filepath.Join(s.home, "bin", name)}, args...)...)
	cmd.Dir = s.dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir,
		s.Release.variable("JAVA_HOME") + "=" + s.javaHome,
		s.Release.variable("PATH_CONF") + "=" + filepath.Join(s.dir, "config"),
		s.Release.variable("TMPDIR") + "=" + filepath.Join(s.dir, "tmp"),
		s.Release.variable("JAVA_OPTS") + "=" + s.javaOptions(),
		"CLI_JAVA_OPTS=" + quickJava,
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	return cmd
}

// process is a running process of a server.
type process struct {
	pid    int
	port   chan string   // receives the server's port
	exited chan struct{} // closed when the process has ended

	mu    sync.Mutex
	lines []string
}

var published = regexp.MustCompile(`HttpServerTransport.* publish_address \{.*:(\d+)\}`)

// start runs the server. The goroutine that starts it has a thread of its own, and waits for the end of the server. The
// kernel kills the server when that thread ends, so no server outlives this process. The launch script then
// ends the JVM.
func (s *Server) start() (*process, error) {
	cmd := s.command(s.Release.Family, s.settings()...)
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = cmd.Stdout
	p := &process{port: make(chan string, 1), exited: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked, so that the thread ends with the goroutine
		err := cmd.Start()
		if err == nil {
			p.pid = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			p.follow(output)
			_ = cmd.Wait()
		}
		close(p.exited)
	}()
	return p, <-started
}

// follow reads the output of the server to its end, and keeps the port and the last lines.
func (p *process) follow(output io.Reader) {
	lines := bufio.NewScanner(output)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if m := published.FindStringSubmatch(line); m != nil {
			select {
			case p.port <- m[1]:
			default:
			}
		}
		p.mu.Lock()
		p.lines = append(p.lines, line)
		p.lines = p.lines[max(0, len(p.lines)-40):]
		p.mu.Unlock()
	}
}

func (p *process) tail() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

var errEnded = errors.New("the server has ended")

// wait waits until the server serves requests.
func (s *Server) wait(ctx context.Context) error {
	select {
	case s.port = <-s.process.port:
	case <-s.process.exited:
		return errEnded
	case <-ctx.Done():
		return ctx.Err()
	}
	scheme := "http"
	if s.opts.Secure {
		scheme = "https"
	}
	s.URL = scheme + "://127.0.0.1:" + s.port
	rt := s.roundTripper()
	defer rt.CloseIdleConnections()
	client := &http.Client{Transport: rt}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.healthy(ctx, client)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.process.exited:
			return errEnded
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

// Kill kills the server, as a crash does, and waits until its process has ended. The data stays.
func (s *Server) Kill() {
	_ = syscall.Kill(-s.process.pid, syscall.SIGKILL)
	<-s.process.exited
}

// Stop ends the server and removes its data.
func (s *Server) Stop() {
	s.Kill()
	_ = os.RemoveAll(s.dir)
}

// Repository returns a directory in which the server can store snapshots.
func (s *Server) Repository() string { return filepath.Join(s.dir, "repo") }

// LoseShard deletes the files of a shard of a closed index. When the index is opened again, the shard is lost.
func (s *Server) LoseShard(uuid string, shard int) error {
	pattern := filepath.Join("indices", uuid, fmt.Sprint(shard), "index", "*")
	files, err := filepath.Glob(filepath.Join(s.dir, "data", pattern))
	if err != nil {
		return err
	}
	ofOpenSearch, err := filepath.Glob(filepath.Join(s.dir, "data", "nodes", "*", pattern))
	if err != nil {
		return err
	}
	files = append(files, ofOpenSearch...)
	if len(files) == 0 {
		return fmt.Errorf("index %s has no files of shard %d on this machine", uuid, shard)
	}
	for _, file := range files {
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	return nil
}
