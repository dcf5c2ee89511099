package main

import (
	"fmt"
	"path/filepath"
	"strconv"
)

// runnerPorts are those that the runner accepts. It ignores the port in the
// node's own file, and moves on where it finds one taken.
var runnerPorts = portRange{9201, 9299}

// bootOpenSearch starts OpenSearch through a runner for tests, which brings the
// server's classes but no distribution. It has no security: plain http.
func bootOpenSearch(b *boot) error {
	httpPort, err := runnerPorts.free()
	if err != nil {
		return err
	}
	b.vars = environment{"URL": fmt.Sprintf("http://127.0.0.1:%d", httpPort)}
	node := b.sub("node_1")
	config := filepath.Join(node, "config")
	if err := makeOwned(b.who, node, config); err != nil {
		return err
	}
	// The runner lacks the library with which reindex.ssl.certificate_authorities
	// reads PEM files. Without that setting reindex trusts what Java trusts.
	trusted, err := b.trusted()
	if err != nil {
		return err
	}
	files := map[string][]byte{
		"trusted.jks": trustStore(trusted),
		"opensearch.yml": yaml(map[string]any{
			"cluster.name":   "esmig-" + b.name,
			"network.host":   "127.0.0.1",
			"discovery.type": "single-node",
			"transport.port": b.transport,

			"cluster.routing.allocation.disk.threshold_enabled": false,

			"reindex.remote.allowlist": b.remotes(),
		}),
	}
	for name, content := range files {
		if err := writeOwned(b.who, filepath.Join(config, name), content); err != nil {
			return err
		}
	}
	err = b.launch(task{
		path: b.java.binary(), dir: b.sub("logs"),
		env: []string{"JAVA_HOME=" + b.java.home, "HOME=" + b.sub("tmp")},
		args: []string{"-Xms" + b.heap, "-Xmx" + b.heap, "-Djava.io.tmpdir=" + b.sub("tmp"),
			"-Djavax.net.ssl.trustStore=" + filepath.Join(config, "trusted.jks"), "-Djavax.net.ssl.trustStoreType=JKS",
			"-Djavax.net.ssl.trustStorePassword=" + trustStorePassword,
			"-cp", filepath.Join(b.dist(), "lib", "*"), "org.codelibs.opensearch.runner.OpenSearchRunner",
			"-basePath", b.dir, "-numOfNode", "1", "-baseHttpPort", strconv.Itoa(httpPort - 1),
			"-clusterName", "esmig-" + b.name, "-printOnFailure", "-useLogger"},
	})
	if err != nil {
		return err
	}
	if err := b.waitHealthy(); err != nil {
		return err
	}
	if b.pid != b.process.cmd.Process.Pid {
		return fmt.Errorf("another server took port %d meanwhile; try again", httpPort)
	}
	return nil
}
