import os
cases={}
def c(name, text): cases[name]=text.lstrip("\n")
c("unknown_argument","""
base
-- main.hcl --
index_template "orders" {
  index_pattern  = ["orders-*"]
  index_patterns = ["orders-*"]
}
index "a" {
  qwertyuiop = 1
}
""")
c("unknown_kind","""
base
-- main.hcl --
indx "orders" {}
zzzzzzzzzz "x" {}
""")
c("unknown_block_inside","""
base
-- main.hcl --
migration "a" {
  sourc { index = "a" }
  source { index = "a" }
  dest { index = "b" }
  dest { index = "c" }
}
""")
c("argument_as_block","""
base
-- main.hcl --
index "a" {
  mappings { x = 1 }
}
migration "m" {
  source = { index = "a" }
  source { index = "a" }
  dest   { index = "b" }
}
""")
c("missing_arguments","""
base
-- main.hcl --
index_template "orders" {}
migration "m" {
  source {}
}
""")
c("missing_null","""
base
-- main.hcl --
index_template "orders" {
  index_patterns = null
}
""")
c("wrong_type","""
base
-- main.hcl --
index_template "a" {
  index_patterns = "orders-*"
  priority       = "high"
}
index_template "b" {
  index_patterns = ["a", { b = 1 }]
  priority       = [1]
}
index "c" {
  deletion_protection = "perhaps"
  name                = ["x"]
}
""")
c("one_of","""
base
-- main.hcl --
migration "m" {
  method = "strem"
  source { index = "a" }
  dest { index = "b" }
}
ingest_pipeline "p" { when = "whenever" }
""")
c("one_of_sensitive","""
base
var when=s3cret-value
-- main.hcl --
variable "when" { sensitive = true }
ingest_pipeline "p" { when = var.when }
""")
c("cluster_argument","""
base
-- main.hcl --
index "a" { cluster = "new" }
index "b" { cluster = cluster.nev }
index "c" { cluster = cluster.new.endpoint }
index "d" { mappings = { c = cluster.new } }
index "e" { cluster = cluster }
""")
c("cluster_default_missing","""
-- main.hcl --
cluster "one" { endpoint = "https://one:9200" }
index "a" {}
migration "m" {
  source { index = "a" }
  dest { index = "b" }
}
""")
c("unknown_references","""
base
-- main.hcl --
variable "region" { default = "eu" }
locals { prefix = "x" }
index "orders" {}
index "a" { name = index.order.name }
index "b" { name = index.orders.nam }
index "c" { name = var.regin }
index "d" { name = local.prefx }
index "e" { name = indx.orders.name }
index "f" { name = orders }
index "g" { name = index.orders["x"].name }
index "h" { name = index }
index "i" { name = each.key }
migration "m" {
  source { index = "a" }
  dest   { index = index.orders.name }
}
index "j" { name = migration.m.source.indx }
index "k" { name = "${var.x}-${var.y}" }
""")
c("for_each_references","""
base
-- main.hcl --
index "daily" {
  for_each = toset(["2026-01", "2026-02"])
  name     = "daily-${each.key}"
}
index "a" { name = index.daily.name }
index "b" { name = index.daily["2026-03"].name }
index "c" {
  for_each = toset(["x"])
  name     = each.kay
}
""")
c("for_each_wrong","""
base
var secret=s3cret-value
-- main.hcl --
variable "secret" { sensitive = true }
index "list" {
  for_each = ["a", "b"]
  name     = each.key
}
index "text" {
  for_each = "a"
  name     = each.key
}
index "null" {
  for_each = null
  name     = each.key
}
index "numbers" {
  for_each = toset([1, 2])
  name     = each.key
}
index "secret" {
  for_each = toset([var.secret])
  name     = each.key
}
index "secret_map" {
  for_each = { (var.secret) = 1 }
  name     = each.key
}
index "each" {
  for_each = { a = each.key }
  name     = each.key
}
index "name" {
  for_each = { a = 1, b = 2 }
}
""")
c("for_each_error_once","""
base
-- main.hcl --
index "daily" {
  for_each = toset(["a", "b", "c"])
  name     = "d-${each.key}"
  mappings = { x = local.nothing }
  settings = { y = tonumber(each.key) }
}
""")
c("self_reference","""
base
-- main.hcl --
locals { name_of_b = index.b.name }
index "a" {
  name     = "x"
  mappings = { a = index.a.name }
}
index "b" {
  name     = "x"
  mappings = { a = local.name_of_b }
}
index "c" { depends_on = [index.c] }
""")
c("cycle","""
base
-- main.hcl --
locals {
  a = local.b
  b = [local.c]
  c = local.a
}
index "a" { name = index.b.name }
index "b" {
  name = "${local.x}-1"
}
-- more.hcl --
locals { x = index.a.name }
index "whole" { mappings = index.other }
index "other" { settings = index.whole }
""")
c("cycle_for_each","""
base
-- main.hcl --
index "a" {
  for_each = { for k, v in index.b : k => v.name }
  name     = each.key
}
index "b" {
  for_each = index.a
  name     = each.key
}
""")
c("depends_on","""
base
-- main.hcl --
index "a" { depends_on = index.b }
index "b" { depends_on = ["index.a"] }
index "c" { depends_on = [index.aa, indx.a, index.a["x"], index] }
""")
c("lifecycle","""
base
-- main.hcl --
index "a" {
  lifecycle {
    prevent_destory = true
    prevent_destroy = "maybe"
    ignore_changes  = settings
  }
}
index "b" {
  lifecycle { ignore_changes = [1, "", settings.x] }
  lifecycle { }
}
index "c" {
  lifecycle { prevent_destroy = var.x }
}
""")
c("syntax_error","""
base
-- broken.hcl --
index "lost" {
  name = = "a"
}
variable "lost" {
-- main.hcl --
index "a" { name = var.lost }
index "b" { name = index.lost.name }
index "c" { nam = "x" }
index "d" { name = tonumber("x") }
""")
c("two_syntax_errors","""
-- a.hcl --
index "a" {
  name = "unclosed
}
-- b.hcl --
index "b" {
  name = (1
}
""")
c("no_files","""
-- README.md --
nothing here
-- sub/main.hcl --
index "a" {}
""")
c("no_folder","""
dir missing
-- main.hcl --
""")
c("unreadable","""
-- a.hcl --
UNREADABLE
-- b.hcl --
index "b" { nam = 1 }
""")
c("duplicates","""
base
-- a.hcl --
variable "x" { default = 1 }
locals { y = 1 }
cluster "old" { endpoint = "http://x:1" }
index "a" {}
output "o" { value = 1 }
esmig {}
-- b.hcl --
variable "x" { default = 2 }
locals { y = 2 }
index "a" {}
output "o" { value = 2 }
index "twice" {
  name = "p"
  name = "q"
}
""")
c("same_object","""
base
-- main.hcl --
index "a" { name = "orders" }
index "b" { name = "orders" }
index "c" {
  name    = "orders"
  cluster = cluster.old
}
index "d" {
  for_each = toset(["1", "2"])
  name     = "fixed"
}
""")
c("labels","""
base
-- main.hcl --
index {}
index "a" "b" {}
index "logs-2026.01" {}
cluster "1st" { endpoint = "http://x:1" }
locals "x" {}
esmig "x" {}
variable {}
migration "m" {
  source "x" { index = "a" }
  source { index = "a" }
  dest   { index = "b" }
}
stray = 1
""")
c("required_version","""
base
version 0.1.0
-- main.hcl --
index "a" { nam = 1 }
-- base.hcl --
esmig { required_version = ">= 0.2, < 1.0" }
""")
c("required_version_invalid","""
-- main.hcl --
esmig { required_version = "newest" }
""")
c("settings","""
-- main.hcl --
esmig {
  sourc  = cluster.a
  source = cluster.b
  target = "a"
  state { path = "" }
  statee { }
}
cluster "a" { endpoint = "http://a:9200" }
""")
c("cluster_address","""
-- main.hcl --
cluster "none" {}
cluster "both" {
  endpoint = "https://a:9200"
  cloud_id = "x:ZXhhbXBsZS5jb20kYWJj"
}
cluster "scheme" { endpoint = "a:9200" }
cluster "user" { endpoint = "https://elastic:s3cret@a:9200" }
cluster "query" { endpoint = "https://a:9200/prefix/?x=1" }
cluster "host" { endpoint = "https://" }
cluster "empty" { endpoint = "" }
cluster "cloud" { cloud_id = "nonsense" }
cluster "badport" { endpoint = "https://a:port" }
cluster "typo" { endpont = "https://a:9200" }
""")
c("cluster_access","""
-- main.hcl --
cluster "both" {
  endpoint = "https://a:9200"
  api_key  = "s3cret"
  username = "elastic"
  password = "s3cret"
}
cluster "nopassword" {
  endpoint = "https://a:9200"
  username = "elastic"
}
cluster "nouser" {
  endpoint = "https://a:9200"
  password = "s3cret"
}
cluster "type" {
  endpoint = "https://a:9200"
  api_key  = ["s3cret"]
  headers  = "s3cret"
}
""")
c("cluster_other","""
-- main.hcl --
cluster "a" {
  endpoint       = "https://a:9200"
  ca_file        = "missing.pem"
  ca_fingerprint = "12:34"
  timeout        = "soon"
  proxy          = "proxy:3128"
  compression    = "very"
  headers        = { x = null }
}
cluster "b" {
  endpoint    = "https://a:9200"
  ca_file     = "main.hcl"
  client_cert = "cert.pem"
  timeout     = "-3s"
}
cluster "c" {
  endpoint    = "https://a:9200"
  client_cert = "cert.pem"
  client_key  = "cert.pem"
}
-- cert.pem --
-----BEGIN CERTIFICATE-----
aGVsbG8=
-----END CERTIFICATE-----
""")
c("variable_without_value","""
-- main.hcl --
variable "source_api_key" {
  type      = string
  sensitive = true
}
""")
c("variable_unknown","""
var regoin=eu
var broken
var-file values.hclvars
var-file values.json
var-file missing.hclvars
-- main.hcl --
variable "region" { default = "us" }
-- values.hclvars --
regon = "eu"
block { }
-- values.json --
{"regio": "eu"}
""")
c("variable_wrong_value","""
var n=many
var l=[1,
var s=s3cret[
var o={a = 1}
env ESMIG_VAR_e=yes
-- main.hcl --
variable "n" { type = number }
variable "l" { type = list(number) }
variable "s" {
  type      = list(string)
  sensitive = true
}
variable "o" { type = object({ a = number, b = string }) }
variable "e" { type = bool }
variable "d" {
  type    = number
  default = "many"
}
variable "t" { type = strin }
variable "r" { default = local.x }
variable "x" { typ = string }
locals { x = 1 }
""")
c("var_file_errors","""
var-file a.hclvars
var-file b.json
var-file c.hclvars
-- main.hcl --
variable "a" {
  type      = number
  sensitive = true
}
variable "b" { default = 1 }
-- a.hclvars --
a = "s3cret"
b = var.a
-- b.json --
{"a": s3cret}
-- c.hclvars --
a = "s3cret
""")
c("functions","""
base
-- main.hcl --
locals {
  a = lowr("A")
  b = file("missing.txt")
  c = templatefile("t.tmpl", { nam = "x" })
  d = templatefile("bad.tmpl", {})
  e = jsondecode("{")
  f = env("HOME")
  g = lower()
  h = file("binary")
  i = templatefile("loop.tmpl", {})
  j = index(["a"], "b")
  k = base64decode("***")
  l = length(5)
}
-- t.tmpl --
hello ${name}
-- bad.tmpl --
hello ${
-- loop.tmpl --
${templatefile("loop.tmpl", {})}
-- binary --
\xff
""".replace("\\xff","\udcff"))
c("sensitive_function","""
base
var s=s3cret-value
-- main.hcl --
variable "s" { sensitive = true }
locals {
  a = jsondecode(var.s)
  b = file(var.s)
  c = { x = 1 }[var.s]
  d = tonumber(var.s)
  e = regex(var.s, "x")
  f = formatdate("YYYY", var.s)
  g = var.s + 1
  h = var.s.x
  i = [1][var.s]
}
""")
c("sensitive_output","""
var s=s3cret-value
-- main.hcl --
variable "s" { sensitive = true }
output "o" { value = "key ${var.s}" }
output "p" {
  value     = var.s
  sensitive = true
}
output "q" {}
""")
c("not_json","""
base
-- main.hcl --
index "a" { mappings = { x = log(0, 10) } }
output "o" { value = cluster.new }
""")
c("moved","""
base
-- main.hcl --
index "a" {}
index "daily" {
  for_each = toset(["x"])
  name     = each.key
}
moved {
  from = index.a
  to   = index.b
}
moved {
  from = index.old
  to   = index.aa
}
moved {
  from = index.old
  to   = migration.a
}
moved {
  from = "index.old"
}
moved {
  from = index.daily["y"]
  to   = index.daily["z"]
}
removed { from = index.a }
removed { from = indx.q }
removed {}
""")
c("locals","""
-- main.hcl --
locals {
  a = 1
  b { c = 1 }
  d = local.e + nothing
}
""")
c("expression_errors","""
base
-- main.hcl --
index "a" {
  mappings = { x = 1 + "a", y = [1, 2][5] }
  settings = { z = null.a }
  name     = "${[]}"
}
""")
c("nested_cluster_settings_many","""
base
-- main.hcl --
index_template "t" {
  priority = "x"
  nope     = 1
}
index "a" { name = local.no }
migration "m" {
  size = "big"
  source { index = var.no }
}
""")
os.makedirs("testdata",exist_ok=True)
for n,t in cases.items():
    open("testdata/%s.txtar"%n,"w",errors="surrogateescape").write(t)
print(len(cases))
