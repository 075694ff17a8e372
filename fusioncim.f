// The Verilog of FusionCIM, for simulators and synthesis; docs/integration.md says how to use it.
// Paths count from this folder: "-f fusioncim.f" in it, or "-F path/to/fusioncim.f" from anywhere where the tool has -F.
// One list and no lists within it: Icarus counts a nested list's paths from where it runs, Verilator's -F from that list.
+incdir+rtl/softmax

// fcim_core and what it is made of
rtl/memory/fcim_ram.v
rtl/memory/fcim_register_file.v
rtl/ip_cim/fcim_ip_row.v
rtl/ip_cim/fcim_ip_array.v
rtl/ip_cim/fcim_ip_cim.v
rtl/softmax/fcim_exp2.v
rtl/softmax/fcim_score_lanes.v
rtl/softmax/fcim_score_scaler.v
rtl/softmax/fcim_row_max.v
rtl/softmax/fcim_block_exponential.v
rtl/softmax/fcim_online_softmax.v
rtl/op_cim/fcim_acc_update.v
rtl/op_cim/fcim_op_slice.v
rtl/op_cim/fcim_op_row.v
rtl/op_cim/fcim_op_array.v
rtl/op_cim/fcim_accumulators.v
rtl/op_cim/fcim_op_cim.v
rtl/normalizer/fcim_divider.v
rtl/normalizer/fcim_row_divider.v
rtl/normalizer/fcim_normalizer.v
rtl/stream/fcim_q_loader.v
rtl/stream/fcim_v_buffer.v
rtl/core/fcim_counters.v
rtl/core/fcim_tile_tracker.v
rtl/core/fcim_core.v

// fcim_engine: a core that asks for its keys and values
rtl/stream/fcim_key_scheduler.v
rtl/stream/fcim_block_queue.v
rtl/engine/fcim_engine.v

// fcim_merge: partial results of several engines into one
rtl/system/fcim_merge.v

// fcim_axi_reader, fcim_axi_writer: rows of memory over AXI4
rtl/memory/fcim_fifo.v
rtl/system/fcim_burst_splitter.v
rtl/system/fcim_axi_bursts.v
rtl/system/fcim_axi_reader.v
rtl/system/fcim_axi_writer.v

// fcim_cluster: engines around a buffer of K and V
rtl/system/fcim_wave_fanout.v
rtl/system/fcim_request_head.v
rtl/system/fcim_key_feed.v
rtl/system/fcim_sequencer.v
rtl/system/fcim_row_bus.v
rtl/system/fcim_block_credits.v
rtl/system/fcim_row_collector.v
rtl/system/fcim_cluster.v

// fcim_kv_loader, fcim_q_fetch: what the engines need, as commands to a reader
rtl/system/fcim_address.v
rtl/system/fcim_kv_loader.v
rtl/system/fcim_q_fetch.v

// fcim_read_router, fcim_store: what is read to where it is needed, rows of O to where they belong
rtl/system/fcim_read_router.v
rtl/system/fcim_o_stage.v
rtl/system/fcim_store.v

// fcim_command_processor: descriptors from a ring in memory become calls
rtl/system/fcim_command_processor.v

// fcim_registers: the accelerator's registers over AXI4-Lite
rtl/system/fcim_registers.v

// fcim_accelerator: attention calls, memory in and memory out
rtl/system/fcim_planner.v
rtl/system/fcim_call_unit.v
rtl/system/fcim_accelerator.v

// fcim_kv_stationary: a prior design, to compare with
rtl/baseline/fcim_delay.v
rtl/baseline/fcim_passes.v
rtl/baseline/fcim_kvs_load.v
rtl/baseline/fcim_kvs_rows.v
rtl/baseline/fcim_kvs_keys.v
rtl/baseline/fcim_kvs_scores.v
rtl/baseline/fcim_kvs_values.v
rtl/baseline/fcim_kvs_maximum.v
rtl/baseline/fcim_kvs_row_sum.v
rtl/baseline/fcim_kvs_output.v
rtl/baseline/fcim_kv_stationary.v
// fcim_unfused: the first design that FusionCIM is compared with
rtl/baseline/fcim_unfused_gate.v
rtl/baseline/fcim_unfused_limit.v
rtl/baseline/fcim_unfused_ones.v
rtl/baseline/fcim_unfused_loader.v
rtl/baseline/fcim_unfused_rows.v
rtl/baseline/fcim_unfused_feed.v
rtl/baseline/fcim_unfused_walk.v
rtl/baseline/fcim_unfused_scores.v
rtl/baseline/fcim_unfused_softmax.v
rtl/baseline/fcim_unfused_sums.v
rtl/baseline/fcim_unfused.v
