package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// officialHome is the distribution that the user wants in place of the fetched
// one, which lacks some modules.
func officialHome(s spec) string {
	if s.name != "source" && s.name != "target" {
		return ""
	}
	return os.Getenv("ESLAB_ES_HOME")
}

func bootElasticsearch(b *boot) error {
	home := b.dist()
	official := officialHome(*b.spec)
	if official != "" {
		home = official
	}
	major, err := majorVersion(home)
	if err != nil {
		return err
	}
	if err := b.configure(home, major); err != nil {
		return err
	}
	how := elasticsearch{b, home, major}
	if official != "" {
		err = how.startOfficial()
	} else if major >= 8 {
		err = how.startLauncher()
	} else {
		err = how.startDirectly()
	}
	if err != nil {
		return err
	}
	if err := b.waitHealthy(); err != nil {
		return err
	}
	if !b.apiKeys {
		return nil
	}
	if b.vars["API_KEY"], err = b.makeKey(adminKey); err != nil {
		return err
	}
	if b.name == "source" {
		b.vars["READ_API_KEY"], err = b.makeKey(readKey)
	}
	return err
}

var jarVersion = regexp.MustCompile(`elasticsearch-(\d+)\.\d+\.\d+[^/]*\.jar$`)

func majorVersion(home string) (int, error) {
	jars, _ := filepath.Glob(filepath.Join(home, "lib", "elasticsearch-[0-9]*.jar"))
	for _, jar := range jars {
		if m := jarVersion.FindStringSubmatch(filepath.ToSlash(jar)); m != nil {
			return strconv.Atoi(m[1])
		}
	}
	return 0, fmt.Errorf("%s is no Elasticsearch distribution: it has no lib/elasticsearch-<version>.jar; set ESLAB_ES_HOME to an unpacked one", home)
}

// configure writes the server's configuration folder and fills its variables.
func (b *boot) configure(home string, major int) error {
	httpPort, err := usualPorts.free()
	if err != nil {
		return err
	}
	cert, key, err := b.authorities[b.ca].issue(b.name)
	if err != nil {
		return err
	}
	b.vars = environment{
		"URL":      fmt.Sprintf("https://127.0.0.1:%d", httpPort),
		"USERNAME": "elastic",
		"PASSWORD": b.password,
		"CA_FILE":  b.caFile(b.ca),
	}
	settings := b.settings(home, major)
	settings["http.port"] = httpPort
	if major < 7 {
		settings["transport.tcp.port"] = b.transport
	} else {
		settings["transport.port"] = b.transport
	}
	files := map[string][]byte{
		"elasticsearch.yml": yaml(settings),
		"jvm.options":       b.jvmOptions(home, major),
		"log4j2.properties": []byte(logToConsole),
		"node.crt":          cert,
		"node.key":          key,
	}
	if b.trusts != "" {
		if files["trusted.crt"], err = b.trusted(); err != nil {
			return err
		}
	}
	for name, content := range files {
		if err := writeOwned(b.who, filepath.Join(b.config(), name), content); err != nil {
			return err
		}
	}
	return nil
}

// settings are those of one node that is quiet and small, with security on. A
// setting of a module that the distribution lacks would be refused.
func (b *boot) settings(home string, major int) map[string]any {
	has := func(module string) bool {
		_, err := os.Stat(filepath.Join(home, "modules", module))
		return err == nil
	}
	s := map[string]any{
		"cluster.name":   "esmig-" + b.name,
		"node.name":      b.name,
		"network.host":   "127.0.0.1",
		"discovery.type": "single-node",
		"path.data":      b.sub("data"),
		"path.logs":      b.sub("logs"),

		"cluster.routing.allocation.disk.threshold_enabled": false,

		"xpack.security.enabled":               true,
		"xpack.security.transport.ssl.enabled": false,
		"xpack.security.http.ssl.enabled":      true,
		"xpack.security.http.ssl.certificate":  "node.crt",
		"xpack.security.http.ssl.key":          "node.key",
	}
	if b.members > 1 {
		b.oneOfMany(s)
	}
	if major >= 8 {
		s["xpack.security.enrollment.enabled"] = false
	}
	if major >= 7 && has("ingest-geoip") {
		s["ingest.geoip.downloader.enabled"] = false
	}
	if has("x-pack-ml") {
		s["xpack.ml.enabled"] = false
	}
	if has("x-pack-watcher") {
		s["xpack.watcher.enabled"] = false
	}
	if has("x-pack-ilm") {
		s["indices.lifecycle.poll_interval"] = "5s" // so that policies move while one watches
	}
	if has("reindex") {
		s["reindex.remote.whitelist"] = b.remotes()
		if b.trusts != "" {
			s["reindex.ssl.certificate_authorities"] = []string{"trusted.crt"}
		}
	}
	return s
}

// remotes are the hosts that a server may reindex from: loopback, and the
// sources that the user gives by address.
func (b *boot) remotes() []string {
	list := []string{"127.0.0.1:*"}
	for _, name := range serverNames {
		_, rest, ok := strings.Cut(os.Getenv(variable(name, "URL")), "://")
		if host, _, _ := strings.Cut(rest, "/"); ok && strings.Contains(host, ":") {
			list = append(list, host)
		}
	}
	return list
}

// trusted are the authorities that reindex accepts: the lab's, and those of the
// servers that the user gives by address.
func (b *boot) trusted() ([]byte, error) {
	list := slices.Clone(b.authorities[b.trusts].pem)
	for _, name := range serverNames {
		path := os.Getenv(variable(name, "CA_FILE"))
		if path == "" || name == b.name {
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", variable(name, "CA_FILE"), err)
		}
		list = append(list, content...)
	}
	return list, nil
}

// yaml writes flat settings; a JSON value is a YAML value.
func yaml(settings map[string]any) []byte {
	var out strings.Builder
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		value, _ := json.Marshal(settings[key])
		fmt.Fprintf(&out, "%s: %s\n", key, value)
	}
	return []byte(out.String())
}

// jvmOptions are the distribution's own from version 8 on, without its logs and
// dumps. The older ones name options that newer Javas refuse.
func (b *boot) jvmOptions(home string, major int) []byte {
	options := "-Djava.io.tmpdir=${ES_TMPDIR}\n"
	if content, err := os.ReadFile(filepath.Join(home, "config", "jvm.options")); err == nil && major >= 8 {
		for line := range strings.Lines(string(content)) {
			if !strings.Contains(line, "-Xlog") && !strings.Contains(line, "HeapDump") && !strings.Contains(line, "ErrorFile") {
				options += line
			}
		}
	}
	return []byte(options + "\n-Xms" + b.heap + "\n-Xmx" + b.heap + "\n")
}

const logToConsole = `status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%-25c{1.}] %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
`

// elasticsearch knows how the versions differ in being started.
type elasticsearch struct {
	*boot
	home  string
	major int
}

func (e elasticsearch) env(more ...string) []string {
	return append(more,
		"JAVA="+e.java.binary(), "JAVA_HOME="+e.java.home,
		"ES_HOME="+e.home, "ES_PATH_CONF="+e.config(), "ES_TMPDIR="+e.sub("tmp"), "HOME="+e.sub("tmp"),
		"LIBFFI_TMPDIR="+e.sub("tmp"), "ES_DISTRIBUTION_TYPE=zip", "JAVA_TYPE=ES_JAVA_HOME",
	)
}

func (e elasticsearch) classpath(folders ...string) string {
	var paths []string
	for _, folder := range folders {
		paths = append(paths, filepath.Join(e.home, filepath.FromSlash(folder), "*"))
	}
	return strings.Join(paths, string(os.PathListSeparator))
}

// toolArgs keep a short-lived Java small, as the scripts of Elasticsearch do.
func (e elasticsearch) toolArgs(args ...string) []string {
	return append([]string{"-Xms4m", "-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"}, args...)
}

// setPassword stores the password of "elastic" before the first start. It goes
// over standard input, never over a command line that others can list. With -f
// the keystore is made too.
func (e elasticsearch) setPassword(t task) error {
	t.args = append(t.args, "add", "-f", "-x", "bootstrap.password")
	t.dir, t.stdin = e.sub("tmp"), []byte(e.password+"\n")
	if err := runTask(t, e.who); err != nil {
		return fmt.Errorf("cannot store the password: %w", err)
	}
	return nil
}

// startLauncher does what bin/elasticsearch of version 9 does; the fetched build
// has no such file.
func (e elasticsearch) startLauncher() error {
	err := e.setPassword(task{
		path: e.java.binary(), env: e.env(),
		args: e.toolArgs("-Dcli.name=keystore", "-Dcli.script=elasticsearch-keystore", "-Dcli.libs=lib/tools/keystore-cli",
			"-Des.path.home="+e.home, "-Des.path.conf="+e.config(), "-Des.distribution.type=zip",
			"-cp", e.classpath("lib", "lib/cli-launcher"), "org.elasticsearch.launcher.CliToolLauncher"),
	})
	if err != nil {
		return err
	}
	return e.launch(task{
		path: e.java.binary(), dir: e.home, // it looks for modules in its folder
		env:  e.env("CLI_NAME=server", "CLI_LIBS=lib/tools/server-cli"),
		args: e.toolArgs("-cp", e.classpath("lib/tools/server-launcher"), "org.elasticsearch.server.launcher.ServerLauncher"),
	})
}

// startDirectly starts the server class of versions 6 and 7 with the options
// that their scripts give it, so that no shell is needed.
func (e elasticsearch) startDirectly() error {
	paths := []string{"-Des.path.home=" + e.home, "-Des.path.conf=" + e.config(),
		"-Des.distribution.flavor=default", "-Des.distribution.type=zip", "-Des.bundled_jdk=false"}
	err := e.setPassword(task{
		path: e.java.binary(), env: e.env(),
		args: append(e.toolArgs(paths...), "-cp", e.classpath("lib", "lib/tools/keystore-cli"),
			"org.elasticsearch.common.settings.KeyStoreCli"),
	})
	if err != nil {
		return err
	}
	args := []string{"-Xms" + e.heap, "-Xmx" + e.heap, "-XX:+UseG1GC", "-Xss1m", "-Xshare:auto",
		"-Djava.io.tmpdir=" + e.sub("tmp"), "-Djava.awt.headless=true", "-Dfile.encoding=UTF-8",
		"-Djna.nosys=true", "-Djna.tmpdir=" + e.sub("tmp"),
		"-Dio.netty.noUnsafe=true", "-Dio.netty.noKeySetOptimization=true",
		"-Dio.netty.recycler.maxCapacityPerThread=0", "-Dio.netty.allocator.numDirectArenas=0",
		"-Dlog4j.shutdownHookEnabled=false", "-Dlog4j2.disable.jmx=true", "-Dlog4j2.formatMsgNoLookups=true",
		"-Djava.locale.providers=SPI,COMPAT", "--add-opens=java.base/java.io=ALL-UNNAMED"}
	if e.java.version >= 18 {
		args = append(args, "-Djava.security.manager=allow")
	}
	args = append(append(args, paths...), "-cp", e.classpath("lib"), "org.elasticsearch.bootstrap.Elasticsearch")
	return e.launch(task{path: e.java.binary(), args: args, env: e.env(), dir: e.sub("logs")})
}

// startOfficial uses the distribution's own scripts.
func (e elasticsearch) startOfficial() error {
	if !e.who.reachable(e.home) {
		return errors.New("user 65534, which runs the servers in place of root, cannot enter the folder of ESLAB_ES_HOME; put it where all can read it")
	}
	env := []string{"ES_PATH_CONF=" + e.config(), "ES_TMPDIR=" + e.sub("tmp"), "HOME=" + e.sub("tmp"), "LIBFFI_TMPDIR=" + e.sub("tmp")}
	if e.java.home != "" { // it has no JDK of its own
		env = append(env, "ES_JAVA_HOME="+e.java.home)
	}
	bin := filepath.Join(e.home, "bin", "elasticsearch")
	if err := e.setPassword(task{path: bin + "-keystore", env: env}); err != nil {
		return err
	}
	return e.launch(task{path: bin, env: env, dir: e.sub("logs")})
}
