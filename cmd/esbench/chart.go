package main

import (
	"fmt"
	"math"
	"strings"
)

// The chart: for each shape a bar per method, as a part of the ceiling, and the
// linear series as a line.
const (
	chartWidth = 860
	labelWidth = 270
	barHeight  = 16
	barStep    = 21
	barsWidth  = chartWidth - labelWidth - 150
	lineHeight = 220
)

// colours of the methods.
var colours = []struct{ name, fill string }{
	{esmigPrefix + "auto", "#0b7285"}, {esmigPrefix + "reindex", "#1098ad"}, {esmigPrefix + "stream", "#3bc9db"},
	{defaultName, "#868e96"}, {bestName, "#adb5bd"}, {dumpName, "#e8590c"}, {ceilingName, "#ced4da"},
}

type drawing struct {
	b strings.Builder
	y float64
}

func (d *drawing) text(x, y float64, size int, anchor, s string) {
	fmt.Fprintf(&d.b, `<text x="%.1f" y="%.1f" font-size="%d" text-anchor="%s">%s</text>`+"\n", x, y, size, anchor, escape(s))
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(s)
}

// chart draws the results as SVG.
func chart(r *results) string {
	d := &drawing{y: 30}
	for _, s := range r.Shapes {
		d.shape(s)
	}
	d.line(r.Linear)
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%.0f" viewBox="0 0 %[1]d %.0[2]f" font-family="sans-serif" role="img">
<title>Documents per second, by shape and method</title>
<rect width="100%%" height="100%%" fill="#fff"/>
%s</svg>
`, chartWidth, d.y, d.b.String())
}

func (d *drawing) shape(s *shapeResult) {
	most := 0.0
	for _, m := range s.Methods {
		most = math.Max(most, m.speed())
	}
	d.text(12, d.y, 14, "start", fmt.Sprintf("%s (%s × %s), documents/s", s.Title, commas(float64(s.Documents)), bytesText(s.Bytes)))
	d.y += 12
	for _, m := range s.Methods {
		d.text(labelWidth-8, d.y+barHeight-4, 12, "end", m.Name)
		label := commas(m.speed())
		switch {
		case m.Failed != "":
			label = "fails"
		case m.speed() == 0:
			label = "not measured"
		}
		width := 0.0
		if most > 0 {
			width = m.speed() / most * barsWidth
		}
		if top := s.method(ceilingName).speed(); top > 0 && m.speed() > 0 && m.Name != ceilingName {
			label += fmt.Sprintf("  (%.2f)", m.speed()/top)
		}
		fmt.Fprintf(&d.b, `<rect x="%d" y="%.1f" width="%.1f" height="%d" fill="%s"/>`+"\n", labelWidth, d.y, width, barHeight, colour(m.Name))
		d.text(labelWidth+width+6, d.y+barHeight-4, 12, "start", label)
		d.y += barStep
	}
	d.y += 28
}

func colour(name string) string {
	for _, c := range colours {
		if c.name == name {
			return c.fill
		}
	}
	return "#868e96"
}

// line draws seconds over documents.
func (d *drawing) line(points []point) {
	var x, y []float64
	for _, p := range points {
		if t := median(p.Seconds); t > 0 {
			x, y = append(x, float64(p.Documents)), append(y, t)
		}
	}
	if len(x) < 2 {
		return
	}
	mostX, mostY := x[len(x)-1], 0.0
	for _, v := range y {
		mostY = math.Max(mostY, v)
	}
	d.text(12, d.y, 14, "start", "esmig auto, flat records: seconds over documents")
	d.y += 12
	bottom := d.y + lineHeight
	at := func(i int) (float64, float64) {
		return labelWidth + x[i]/mostX*barsWidth, bottom - y[i]/mostY*(lineHeight-20)
	}
	fmt.Fprintf(&d.b, `<path d="M%d %.1fV%.1fH%d" fill="none" stroke="#868e96"/>`+"\n", labelWidth, d.y, bottom, labelWidth+barsWidth)
	var path strings.Builder
	for i := range x {
		px, py := at(i)
		fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(i, 1)], px, py)
		fmt.Fprintf(&d.b, `<circle cx="%.1f" cy="%.1f" r="4" fill="%s"/>`+"\n", px, py, colours[0].fill)
		if mostX/x[i] < 12 { // the smallest ones would cover each other
			d.text(px, bottom+16, 12, "middle", commas(x[i]))
			d.text(px-8, py-6, 12, "end", fmt.Sprintf("%.1f s", y[i]))
		}
	}
	fmt.Fprintf(&d.b, `<path d="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", path.String(), colours[0].fill)
	d.y = bottom + 36
}
