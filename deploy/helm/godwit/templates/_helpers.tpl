{{- define "godwit.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "godwit.headless" -}}
{{ include "godwit.fullname" . }}-nodes
{{- end -}}

{{- define "godwit.domain" -}}
{{ include "godwit.headless" . }}.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}
{{- end -}}

{{- define "godwit.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "godwit.nodes" -}}
{{ include "godwit.selector" . }}
app.kubernetes.io/component: node
{{- end -}}

{{- define "godwit.labels" -}}
{{ include "godwit.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "godwit.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "godwit.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "godwit.image" -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}

{{- define "godwit.tlsSecret" -}}
{{- if .Values.tls.certManager.enabled -}}
{{- default (printf "%s-tls" (include "godwit.fullname" .)) .Values.tls.existingSecret -}}
{{- else -}}
{{- .Values.tls.existingSecret -}}
{{- end -}}
{{- end -}}

{{- define "godwit.scheme" -}}
{{- if .Values.tls.enabled }}https{{ else }}http{{ end -}}
{{- end -}}

{{/* The configuration file: what the chart knows, and what it was told besides. */}}
{{- define "godwit.config" -}}
{{- $own := dict
  "state-store" .Values.stateStore
  "api-addr" ":7480"
  "remote-addr" ":7481"
  "gossip-addr" ":7482"
  "secrets-key-file" (printf "/etc/godwit/keys/%s" .Values.keys.secretsKey)
  "gossip-key-file" (printf "/etc/godwit/keys/%s" .Values.keys.gossipKey)
  "api-token-file" (printf "/etc/godwit/keys/%s" .Values.keys.token) -}}
{{- if .Values.tls.enabled -}}
{{- $_ := set $own "tls-cert" (printf "/etc/godwit/tls/%s" .Values.tls.cert) -}}
{{- $_ := set $own "tls-key" (printf "/etc/godwit/tls/%s" .Values.tls.key) -}}
{{- $_ := set $own "tls-ca" (printf "/etc/godwit/tls/%s" .Values.tls.ca) -}}
{{- else -}}
{{- $_ := set $own "insecure" true -}}
{{- end -}}
{{- if .Values.files.existingClaim -}}
{{- $_ := set $own "file-root" (list .Values.files.mountPath) -}}
{{- end -}}
{{- /* One name for all of them: scaling changes no configuration. */ -}}
{{- $_ := set $own "join" (list (printf "%s:7482" (include "godwit.domain" .))) -}}
{{- range $key := concat (keys $own) (list "name" "advertise" "data-dir" "insecure" "tls-cert" "tls-key" "tls-ca" "file-root") -}}
{{- if hasKey $.Values.config $key }}{{ fail (printf "config.%s: the chart sets it; look for a value of its own" $key) }}{{ end -}}
{{- end -}}
{{- toYaml (merge $own .Values.config) -}}
{{- end -}}

{{/* What no schema can say. */}}
{{- define "godwit.check" -}}
{{- if not .Values.stateStore -}}
{{- fail "stateStore: say where the state is, s3://bucket/prefix?endpoint=https://…" -}}
{{- end -}}
{{- if and (hasPrefix "dir://" .Values.stateStore) (gt (int .Values.replicas) 1) -}}
{{- fail "stateStore: a folder is for one node; several need s3://bucket/prefix?endpoint=https://…" -}}
{{- end -}}
{{- if and (hasPrefix "dir://" .Values.stateStore) (not (hasPrefix "dir:///data/" .Values.stateStore)) -}}
{{- fail "stateStore: the root file system is read-only; a folder must lie below /data" -}}
{{- end -}}
{{- if and (hasPrefix "dir://" .Values.stateStore) (not .Values.persistence.enabled) -}}
{{- fail "persistence.enabled: a folder as state store needs a volume that outlives the pod" -}}
{{- end -}}
{{- if not .Values.keys.existingSecret -}}
{{- fail "keys.existingSecret: name the Secret with secrets key, gossip key and token; see the chart's README" -}}
{{- end -}}
{{- if .Values.tls.enabled -}}
{{- if and (not .Values.tls.certManager.enabled) (not .Values.tls.existingSecret) -}}
{{- fail "tls: name an existingSecret or enable certManager (or, for a trial, say tls.enabled=false)" -}}
{{- end -}}
{{- if and .Values.tls.certManager.enabled (not .Values.tls.certManager.issuerRef.name) -}}
{{- fail "tls.certManager.issuerRef.name: name the issuer" -}}
{{- end -}}
{{- end -}}
{{- end -}}
