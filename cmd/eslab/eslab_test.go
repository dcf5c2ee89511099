package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/esmig/esmig/cmd/eslab/door"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		args    string
		servers string
		command string
		err     string
	}{
		{args: "run -- go test ./...", servers: "source,target", command: "go test ./..."},
		{args: "run -servers es6,source,es6 -- x -servers y", servers: "es6,source", command: "x -servers y"},
		{args: "run x", servers: "source,target", command: "x"},
		{args: "up -servers opensearch", servers: "opensearch"},
		{args: "up -servers serverless,streams", servers: "target,serverless,streams"},
		{args: "", err: "a command is missing"},
		{args: "run", err: "a command to run is missing"},
		{args: "boot", err: `unknown command "boot"`},
		{args: "up -servers es5", err: `unknown server "es5"; known are source, target, es7, es6, opensearch, nodes, streams, serverless`},
		{args: "down now", err: `down takes no argument "now"`},
		{args: "up -x", err: "-x"},
	} {
		opts, err := parse(strings.Fields(tc.args))
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%q: error %v, want one with %q", tc.args, err, tc.err)
			}
			continue
		}
		if err != nil || strings.Join(opts.servers, ",") != tc.servers || strings.Join(opts.args, " ") != tc.command {
			t.Errorf("%q: %+v, %v", tc.args, opts, err)
		}
	}
}

func TestTables(t *testing.T) {
	sum := regexp.MustCompile(`^[0-9a-f]{64}$`)
	for name, a := range artifacts {
		if !sum.MatchString(a.sha256) || len(strings.Split(a.coordinates, ":")) != 4 || a.title == "" || a.size == "" {
			t.Errorf("artifact %s is not complete: %+v", name, a)
		}
		if a.withDependencies == (len(a.keep) > 0) {
			t.Errorf("artifact %s must either be unpacked or have dependencies", name)
		}
	}
	if len(catalogue) != len(serverNames) {
		t.Errorf("catalogue has %d servers, serverNames %d", len(catalogue), len(serverNames))
	}
	for _, name := range serverNames {
		s := catalogue[name]
		if s.before != "" && s.name == name && catalogue[s.before].boot != nil && s.ca != "" {
			continue // a door
		}
		if _, ok := artifacts[s.artifact]; s.name != name || !ok || s.boot == nil {
			t.Errorf("server %s is not complete: %+v", name, s)
		}
	}
	if _, ok := artifacts[runtimeArtifact]; !ok {
		t.Errorf("no artifact %s", runtimeArtifact)
	}
}

func TestJavaVersion(t *testing.T) {
	for text, want := range map[string]int{
		"IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"17.0.15\"\nJAVA_VERSION_DATE=\"2025\"": 17,
		`JAVA_VERSION="25"`:                    25,
		`JAVA_VERSION="1.8.0_392"`:             8,
		"openjdk version \"21.0.2\" 2024-01":   21,
		"java version \"1.8.0_202\"\nJava(TM)": 8,
		`openjdk version "26-ea" 2026`:         26,
		"command not found":                    0,
	} {
		if got := javaVersion(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

func TestChooseJava(t *testing.T) {
	list := []java{{"/a", 8}, {"/b", 25}, {"/c", 21}, {"/d", 17}}
	old := javaRange{min: 11, max: 23, prefer: 17}
	t.Setenv("ESLAB_JAVA_HOME", "")
	if j, ok := chooseJava(list, javaRange{min: 21}); !ok || j.home != "/b" {
		t.Errorf("newest server: %v", j)
	}
	if j, ok := chooseJava(list, old); !ok || j.home != "/d" {
		t.Errorf("old server: %v", j)
	}
	t.Setenv("ESLAB_JAVA_HOME", "/c")
	if j, _ := chooseJava(list, old); j.home != "/c" {
		t.Errorf("the named one must win: %v", j)
	}
	if _, ok := chooseJava(list[:2], old); ok {
		t.Error("Java 8 and 25 must not fit an old server")
	}
	err := noJava("Elasticsearch 9.4.3", javaRange{min: 21}, list[:1])
	want := "Elasticsearch 9.4.3 needs Java 21 or newer, and this machine has only Java 8; install one, or set ESLAB_JAVA_HOME to its folder"
	if err.Error() != want {
		t.Errorf("got %q", err)
	}
}

// A client that trusts the authority must reach the server under every name of
// loopback, and no other authority may do.
func TestCertificates(t *testing.T) {
	source, err := newAuthority("source")
	if err != nil {
		t.Fatal(err)
	}
	target, err := newAuthority("target")
	if err != nil {
		t.Fatal(err)
	}
	if got := source.cert.Subject.CommonName; got != "esmig lab source CA" {
		t.Errorf("authority is called %q", got)
	}
	certPEM, keyPEM, err := source.issue("source")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(source.pem) {
		t.Fatal("the authority is no PEM")
	}
	for _, name := range []string{"127.0.0.1", "[::1]", "localhost"} {
		if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	others := x509.NewCertPool()
	others.AddCert(target.cert)
	if _, err := cert.Verify(x509.VerifyOptions{Roots: others}); err == nil {
		t.Error("the target's authority must not vouch for the source")
	}
}

func TestTrustStore(t *testing.T) {
	a, err := newAuthority("source")
	if err != nil {
		t.Fatal(err)
	}
	store := trustStore(slices.Concat(a.pem, a.pem))
	if !bytes.HasPrefix(store, []byte{0xFE, 0xED, 0xFE, 0xED, 0, 0, 0, 2, 0, 0, 0, 2}) {
		t.Errorf("not a store with two entries: % x", store[:12])
	}
	block, _ := pem.Decode(a.pem)
	if bytes.Count(store, block.Bytes) != 2 {
		t.Error("a certificate is missing")
	}
	keytool, err := exec.LookPath("keytool")
	if err != nil {
		t.Skip("no keytool to read the store with")
	}
	path := filepath.Join(t.TempDir(), "store.jks")
	if err := os.WriteFile(path, store, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(keytool, "-list", "-keystore", path, "-storepass", trustStorePassword).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "ca2") {
		t.Errorf("keytool: %v\n%s", err, out)
	}
}

func TestPorts(t *testing.T) {
	r := portRange{28500, 28503}
	l, err := net.Listen("tcp", "127.0.0.1:28501")
	if err != nil {
		t.Skip("the port of this test is taken: ", err)
	}
	defer l.Close()
	seen := map[int]bool{28501: true}
	for range 3 {
		port, err := r.free()
		if err != nil {
			t.Skip("other ports of this test are taken: ", err)
		}
		if seen[port] || port < r.first || port > r.last {
			t.Errorf("port %d", port)
		}
		seen[port] = true
	}
	if _, err := r.free(); err == nil || !strings.Contains(err.Error(), "between 28500 and 28503") {
		t.Errorf("error %v", err)
	}
}

func TestEnvironment(t *testing.T) {
	env := environment{}
	env.add("es6", environment{"URL": "https://127.0.0.1:1", "PASSWORD": "it's", "API_KEY": ""})
	env.add("source", environment{"URL": "https://127.0.0.1:2"})
	env.setServers([]string{"es6", "source"})
	var out strings.Builder
	writeExports(&out, env)
	want := `export ESLAB_ES6_PASSWORD='it'\''s'
export ESLAB_ES6_URL='https://127.0.0.1:1'
export ESLAB_SERVERS='source,es6'
export ESLAB_SOURCE_URL='https://127.0.0.1:2'
`
	if out.String() != want {
		t.Errorf("got\n%s", &out)
	}
}

func TestGivenServers(t *testing.T) {
	for _, name := range serverNames {
		t.Setenv(variable(name, "URL"), "")
	}
	t.Setenv("ESLAB_SOURCE_URL", "https://es.example:9200")
	given, wanted := splitGiven([]string{"source", "target"})
	if !slices.Equal(given, []string{"source"}) || !slices.Equal(wanted, []string{"target"}) {
		t.Fatalf("given %v, wanted %v", given, wanted)
	}
	own := []string{"HOME=/h", "ESLAB_SOURCE_URL=https://es.example:9200", "ESLAB_SOURCE_API_KEY=k",
		"ESLAB_TARGET_API_KEY=old", "ESLAB_ES7_PASSWORD=old", "ESLAB_CACHE=/c", "ESLAB_SERVERS=es7"}
	got := commandEnv(own, given, environment{"ESLAB_TARGET_URL": "u", "ESLAB_SERVERS": "target"})
	want := []string{"HOME=/h", "ESLAB_SOURCE_URL=https://es.example:9200", "ESLAB_SOURCE_API_KEY=k",
		"ESLAB_CACHE=/c", "ESLAB_SERVERS=source,target", "ESLAB_TARGET_URL=u"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	b := &boot{}
	if got := b.remotes(); !slices.Equal(got, []string{"127.0.0.1:*", "es.example:9200"}) {
		t.Errorf("remotes %q", got)
	}
}

func TestUnpack(t *testing.T) {
	dir := t.TempDir()
	archive := filepath.Join(dir, "a.zip")
	f, err := os.Create(archive)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	for _, name := range []string{"s-1/elasticsearch/lib/a.jar", "s-1/web/x", "s-1/jres/j_x64_linux_1", "s-1/jres/j_x64_mac_1", "s-1/evil/../../../y"} {
		if w, err := z.Create(name); err != nil {
			t.Fatal(err)
		} else if _, err := w.Write([]byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	f.Close()
	to := filepath.Join(dir, "to")
	if err := unpack(archive, to, map[string]string{"*/elasticsearch": ".", "*/jres/*_linux_*": "jres"}); err != nil {
		t.Fatal(err)
	}
	var got []string
	_ = filepath.Walk(to, func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			rel, _ := filepath.Rel(to, path)
			got = append(got, filepath.ToSlash(rel))
		}
		return err
	})
	if !slices.Equal(got, []string{"jres/j_x64_linux_1", "lib/a.jar"}) {
		t.Errorf("unpacked %v", got)
	}
	if err := unpack(archive, to, map[string]string{"s-1/evil": "."}); err == nil {
		t.Error("a file outside of the folder must be refused")
	}
	if err := unpack(archive, to, map[string]string{"other": "."}); err == nil {
		t.Error("an archive without what is looked for must be refused")
	}
}

func TestChecksum(t *testing.T) {
	a := artifact{coordinates: "g:a:1:zip", sha256: strings.Repeat("a", 64)}
	err := a.check(strings.Repeat("b", 64))
	if err == nil || !strings.Contains(err.Error(), a.sha256) || !strings.Contains(err.Error(), strings.Repeat("b", 64)) {
		t.Errorf("the error must name both sums: %v", err)
	}
	if err := a.check(a.sha256); err != nil {
		t.Error(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	// echo -n x > x; sha256sum x | sha256sum
	if got, err := folderSum(dir); err != nil || got != "2f6d2a2ad21666df37c1f242e483d2afdf2cc8fafac90d1941fe03788f719ebd" {
		t.Errorf("sum of a folder: %s, %v", got, err)
	}
}

func TestSettings(t *testing.T) {
	home := t.TempDir()
	for _, dir := range []string{"modules/reindex", "modules/x-pack-ilm", "lib"} {
		if err := os.MkdirAll(filepath.Join(home, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	target := catalogue["target"]
	b := &boot{spec: &target, lab: &lab{}, dir: "/n"}
	got := string(yaml(b.settings(home, 9)))
	for _, want := range []string{
		"cluster.name: \"esmig-target\"\n", "reindex.ssl.certificate_authorities: [\"trusted.crt\"]\n",
		"reindex.remote.whitelist: [\"127.0.0.1:*\"", "indices.lifecycle.poll_interval: \"5s\"\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "geoip") || strings.Contains(got, "watcher") {
		t.Errorf("settings of modules that are not there:\n%s", got)
	}
	source := catalogue["source"]
	b.spec = &source
	if got := string(yaml(b.settings(home, 9))); strings.Contains(got, "trusted") {
		t.Errorf("the source must not trust the target:\n%s", got)
	}
	many := catalogue["nodes"]
	one := &boot{spec: &many, lab: &lab{}, dir: "/n", transport: 20001}
	two, err := one.another(2)
	if err != nil {
		t.Fatal(err)
	}
	for node, settings := range map[*boot]string{one: "cluster.initial_master_nodes: [\"nodes\"]\n", two: "node.roles: [\"data\",\"ingest\"]\n"} {
		got := string(yaml(node.settings(home, 9)))
		for _, want := range []string{settings, "cluster.name: \"esmig-nodes\"\n", "node.name: \"" + node.name + "\"\n", "discovery.seed_hosts: [\"127.0.0.1:20001\"]\n"} {
			if !strings.Contains(got, want) {
				t.Errorf("no %q in\n%s", want, got)
			}
		}
		if strings.Contains(got, "single-node") {
			t.Errorf("%s stays alone:\n%s", node.name, got)
		}
	}
	if env := (&lab{nodes: []*boot{one, two}}).env(); env["ESLAB_SERVERS"] != "nodes" {
		t.Errorf("servers %q", env["ESLAB_SERVERS"])
	}
	if _, err := majorVersion(home); err == nil {
		t.Error("a folder without jars is no distribution")
	}
	jar := filepath.Join(home, "lib", "elasticsearch-7.17.29.jar")
	if err := os.WriteFile(jar, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if v, err := majorVersion(home); v != 7 || err != nil {
		t.Errorf("version %d, %v", v, err)
	}
}

// The command's exit code is eslab's.
func TestRunWith(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell")
	}
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -9 $$": 137, `test "$A" = 1`: 0} {
		if code, err := runWith(context.Background(), []string{sh, "-c", script}, []string{"A=1"}); code != want || err != nil {
			t.Errorf("%s: code %d, %v", script, code, err)
		}
	}
	if code, err := runWith(context.Background(), []string{"/does/not/exist"}, nil); code != 127 || err == nil {
		t.Errorf("a missing program: code %d, %v", code, err)
	}
}

// A command during which esmig was refused something has failed, whoever clears
// the record; what others tried is only told.
func TestRefusedInAll(t *testing.T) {
	refusal := func(client string) door.Refusal {
		return door.Refusal{Method: "GET", URI: "/_nodes", Status: 410, Reason: "it is not there", Client: client}
	}
	var total door.Total
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/_door/total" {
			http.NotFound(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(total)
	}))
	defer srv.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	env := environment{"ESLAB_SERVERLESS_DOOR_URL": srv.URL + "/_door", "ESLAB_SERVERLESS_CA_FILE": ca}
	before := door.Total{Count: 1, ByEsmig: 1, Refused: []door.Refusal{refusal("go-elasticsearch/8")}}
	var said strings.Builder
	progressTo = &said
	defer func() { progressTo = os.Stderr }()
	for name, tt := range map[string]struct {
		more       []door.Refusal
		esmig      int
		code, want int
		said       string
	}{
		"nothing":             {nil, 0, 0, 0, "eslab: the door of serverless refused nothing\n"},
		"to esmig":            {[]door.Refusal{refusal("go-elasticsearch/8"), refusal("curl/8")}, 1, 0, 1, "eslab: the door of serverless refused 2 in all, 1 of it to esmig:\n  410 GET /_nodes (by go-elasticsearch/8): it is not there\n  410 GET /_nodes (by curl/8): it is not there\n"},
		"to others":           {[]door.Refusal{refusal("curl/8")}, 0, 0, 0, "eslab: the door of serverless refused 1 in all, 0 of it to esmig:\n  410 GET /_nodes (by curl/8): it is not there\n"},
		"and the code is its": {[]door.Refusal{refusal("go-elasticsearch/8")}, 1, 7, 7, ""},
	} {
		t.Run(name, func(t *testing.T) {
			total = before
			said.Reset()
			code, err := watched(env, func() (int, error) {
				total.Count, total.ByEsmig, total.Refused = total.Count+len(tt.more), total.ByEsmig+tt.esmig, slices.Concat(before.Refused, tt.more)
				return tt.code, nil
			})
			if code != tt.want || (err != nil) != (tt.want == 1) {
				t.Errorf("code %d, %v", code, err)
			}
			if tt.said != "" && said.String() != tt.said {
				t.Errorf("said %q", said.String())
			}
		})
	}
	if code, err := watched(environment{}, func() (int, error) { return 0, nil }); code != 0 || err != nil {
		t.Errorf("without a door: %d, %v", code, err)
	}
	srv.Close()
	if code, err := watched(env, func() (int, error) { return 0, nil }); code != 1 || err == nil {
		t.Errorf("a door that is not there: %d, %v", code, err)
	}
}

// The guard kills what it was told to watch, and only that, when its pipe ends.
func TestGuard(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip("no program to guard")
	}
	start := func() *process {
		p, err := startProcess(task{path: sleep, args: []string{"60"}, log: filepath.Join(t.TempDir(), "log")}, account{})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	kept, watched := start(), start()
	defer kept.stop(0)
	var pipe bytes.Buffer
	g := &guard{pipe: nopCloser{&pipe}}
	g.watch(kept.cmd.Process.Pid)
	g.watch(watched.cmd.Process.Pid)
	g.forget(kept.cmd.Process.Pid)
	dir := filepath.Join(t.TempDir(), "lab")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := guardMain(&pipe, dir); err != nil {
		t.Fatal(err)
	}
	<-watched.done
	if kept.ended() {
		t.Error("a process that was forgotten was ended")
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Error("the folder is still there")
	}
}

type nopCloser struct{ *bytes.Buffer }

func (nopCloser) Close() error { return nil }
