{{- define "mailcanary.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "mailcanary.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "mailcanary.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The label `job` of the series. The alerts know mailcanary by that word in it. */}}
{{- define "mailcanary.job" -}}
{{- $name := include "mailcanary.fullname" . -}}
{{- ternary $name (printf "mailcanary-%s" $name) (contains "mailcanary" $name) -}}
{{- end -}}

{{- define "mailcanary.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{- define "mailcanary.selector" -}}
app.kubernetes.io/name: {{ include "mailcanary.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/* Labels of every object but the pod: the version of the chart must not restart a pod. */}}
{{- define "mailcanary.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "mailcanary.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* Metadata of an object. Takes root, name, and optionally namespace, labels, annotations. */}}
{{- define "mailcanary.metadata" -}}
name: {{ .name | quote }}
namespace: {{ .namespace | default (include "mailcanary.namespace" .root) | quote }}
{{- $own := include "mailcanary.labels" .root | fromYaml }}
labels:
  {{- merge (dict) $own (.labels | default dict) (.root.Values.commonLabels | default dict) | toYaml | nindent 2 }}
{{- $annotations := merge (dict) (.annotations | default dict) (.root.Values.commonAnnotations | default dict) }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "mailcanary.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "mailcanary.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "mailcanary.image" -}}
{{- $registry := default .Values.image.registry .Values.global.imageRegistry -}}
{{- $name := ternary (printf "%s/%s" $registry .Values.image.repository) .Values.image.repository (ne $registry "") -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $name .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* Labels of the pod of `helm test`. The service must not take that pod for its own. */}}
{{- define "mailcanary.testSelector" -}}
app.kubernetes.io/name: {{ include "mailcanary.name" . | trunc 58 | trimSuffix "-" }}-test
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/* The file of the configuration: `listen` and `ledger` are there even if `config` has none. */}}
{{- define "mailcanary.config" -}}
{{- with .Values.config.listen }}
{{- if not (hasSuffix (printf ":%d" (int $.Values.containerPort)) (toString .)) }}
{{- fail (printf "config.listen is %v: its port must be containerPort (%d), or the probes of the pod fail" . (int $.Values.containerPort)) }}
{{- end }}
{{- end }}
{{- $own := dict "listen" (printf "0.0.0.0:%d" (int .Values.containerPort)) "ledger" "/var/lib/mailcanary/mailcanary.sqlite" -}}
{{- toYaml (merge (dict) .Values.config $own) -}}
{{- end -}}

{{- define "mailcanary.configVolume" -}}
{{- if .Values.existingConfig.secret }}
secret:
  secretName: {{ .Values.existingConfig.secret | quote }}
  items: [{key: {{ .Values.existingConfig.key | quote }}, path: mailcanary.yaml}]
{{- else }}
configMap:
  name: {{ .Values.existingConfig.configMap | default (include "mailcanary.fullname" .) | quote }}
  items: [{key: {{ ternary .Values.existingConfig.key "mailcanary.yaml" (ne .Values.existingConfig.configMap "") | quote }}, path: mailcanary.yaml}]
{{- end }}
{{- end -}}

{{- define "mailcanary.isConfigOurs" -}}
{{- if not (or .Values.existingConfig.secret .Values.existingConfig.configMap) }}yes{{ end -}}
{{- end -}}
