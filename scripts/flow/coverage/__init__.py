"""Coverage: code coverage as Verilator counted it, functional coverage as benches sampled it, the verification plan, the site."""
