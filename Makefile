# Everything that is needed beside Go is a JDK (21 or newer) and Maven: the
# real servers of the demo and the tests are fetched by cmd/eslab, once.

BIN := bin
LAB := $(BIN)/eslab
DOCUMENTS := 1000000
REVISION := $(shell git describe --always --dirty 2>/dev/null)

.PHONY: build test unit real real-long lint demo demo-serverless generate fuzz bench clean

build:
	go build -trimpath -ldflags "-X main.revision=$(REVISION)" -o $(BIN)/esmig ./cmd/esmig

$(LAB): $(wildcard cmd/eslab/*.go cmd/eslab/door/*.go providers/elasticsearch/serverless/*)
	go build -trimpath -o $(LAB) ./cmd/eslab

# The main job on two real clusters, on one screen.
demo: build $(LAB)
	$(LAB) run -servers source,target -- sh examples/quickstart/demo.sh

# Elastic's guide: a hosted deployment into a Serverless project.
demo-serverless: build $(LAB)
	$(LAB) run -servers source,serverless -- sh examples/hosted-to-serverless/demo.sh

# Quick tests first, then those on the real servers; but for make real-long,
# that is everything.
test: unit real

unit:
	@test -z "$$(gofmt -l .)" || { echo "not formatted:"; gofmt -l .; exit 1; }
	go vet ./...
	go test ./...

# A server that cannot be had fails the run; nothing is skipped because of it.
real: $(LAB)
	ESMIG_TEST_REAL=required $(LAB) run -servers source,target,es6,es7,opensearch,nodes,streams,serverless -- \
		go test -count=1 -timeout 40m -run Real ./...

# What takes servers for long, or kills them: each test of the data plane on a
# real destination and through the door of Serverless, a million documents
# verified, processes killed ten times and a node killed in the middle of as many.
# make real-long DOCUMENTS=100000 copies fewer where something is killed.
real-long: $(LAB)
	ESMIG_TEST_REAL=required ESMIG_TEST_MILLION=1 ESMIG_TEST_DOCUMENTS=$(DOCUMENTS) $(LAB) run -servers source,target,nodes,serverless -- \
		sh -c "go test -count=1 -timeout 40m -skip ^TestReal ./providers/migration && go test -count=1 -v -timeout 40m -run TestRealMillion ./providers/migration && go test -count=1 -v -timeout 90m -run TestLab ./cmd/esmig"

lint:
	go vet ./...
	go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

# Golden files and the reference pages; read the difference before committing.
generate:
	go test ./config ./engine ./cmd/esmig/... -update

fuzz:
	go test -run '^$$' -fuzz FuzzLoad -fuzztime 30s ./config
	go test -run '^$$' -fuzz FuzzDecode -fuzztime 30s ./state

# Writes BENCHMARKS.md in an hour or two; wants a machine with nothing else to do. BENCH takes
# flags, for a part of it: make bench BENCH='-shapes flat -linear ""'
bench: build $(LAB)
	go build -trimpath -o $(BIN)/esbench ./cmd/esbench
	$(LAB) run -servers source,target -- $(BIN)/esbench -out BENCHMARKS.md -svg docs/bench.svg $(BENCH)

clean:
	rm -rf $(BIN)
