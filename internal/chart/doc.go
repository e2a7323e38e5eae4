// Package chart draws lines over two axes as SVG: what benchmarks and examples have measured, for people who would rather look than read.
package chart
