/* TCP_INFO, decoded by a table: one row a field. */
#include "api/info.h"

#include <linux/tcp.h>
#include <stdint.h>
#include <string.h>

#define FIELD(name, member) \
  { name, offsetof(struct tcp_info, member), sizeof(((struct tcp_info *)0)->member) }

/* Sorted by name. Times are in the kernel's own unit: most are microseconds, those since
 * the last packet are milliseconds. */
static const struct {
  const char *name;
  size_t offset, size;
} fields[] = {
    FIELD("advertised_mss_bytes", tcpi_advmss),
    FIELD("ato_us", tcpi_ato),
    FIELD("backoff", tcpi_backoff),
    FIELD("busy_us", tcpi_busy_time),
    FIELD("bytes_acked", tcpi_bytes_acked),
    FIELD("bytes_received", tcpi_bytes_received),
    FIELD("bytes_retransmitted", tcpi_bytes_retrans),
    FIELD("bytes_sent", tcpi_bytes_sent),
    FIELD("data_segments_in", tcpi_data_segs_in),
    FIELD("data_segments_out", tcpi_data_segs_out),
    FIELD("delivered_ce_segments", tcpi_delivered_ce),
    FIELD("delivered_segments", tcpi_delivered),
    FIELD("delivery_rate_bytes_per_s", tcpi_delivery_rate),
    FIELD("dsack_duplicates", tcpi_dsack_dups),
    FIELD("last_ack_received_ms", tcpi_last_ack_recv),
    FIELD("last_data_received_ms", tcpi_last_data_recv),
    FIELD("last_data_sent_ms", tcpi_last_data_sent),
    FIELD("lost_segments", tcpi_lost),
    FIELD("max_pacing_rate_bytes_per_s", tcpi_max_pacing_rate),
    FIELD("min_rtt_us", tcpi_min_rtt),
    FIELD("not_sent_bytes", tcpi_notsent_bytes),
    FIELD("out_of_order_segments", tcpi_rcv_ooopack),
    FIELD("pacing_rate_bytes_per_s", tcpi_pacing_rate),
    FIELD("path_mtu_bytes", tcpi_pmtu),
    FIELD("probes", tcpi_probes),
    FIELD("rcv_mss_bytes", tcpi_rcv_mss),
    FIELD("rcv_rtt_us", tcpi_rcv_rtt),
    FIELD("rcv_space_bytes", tcpi_rcv_space),
    FIELD("rcv_ssthresh_bytes", tcpi_rcv_ssthresh),
    FIELD("reordering_segments", tcpi_reordering),
    FIELD("reorderings_seen", tcpi_reord_seen),
    FIELD("retransmits", tcpi_retransmits),
    FIELD("retransmitted_segments", tcpi_retrans),
    FIELD("rto_us", tcpi_rto),
    FIELD("rtt_us", tcpi_rtt),
    FIELD("rtt_variance_us", tcpi_rttvar),
    FIELD("rwnd_limited_us", tcpi_rwnd_limited),
    FIELD("sacked_segments", tcpi_sacked),
    FIELD("segments_in", tcpi_segs_in),
    FIELD("segments_out", tcpi_segs_out),
    FIELD("snd_cwnd_segments", tcpi_snd_cwnd),
    FIELD("snd_mss_bytes", tcpi_snd_mss),
    FIELD("snd_ssthresh_segments", tcpi_snd_ssthresh),
    FIELD("snd_wnd_bytes", tcpi_snd_wnd),
    FIELD("sndbuf_limited_us", tcpi_sndbuf_limited),
    FIELD("total_retransmits", tcpi_total_retrans),
    FIELD("unacked_segments", tcpi_unacked),
};

/* include/net/tcp_states.h of Linux; the names are RFC 9293's section 3.3.2. */
static const char *const states[] = {
    "UNKNOWN",    "ESTABLISHED", "SYN-SENT", "SYN-RECEIVED", "FIN-WAIT-1",
    "FIN-WAIT-2", "TIME-WAIT",   "CLOSED",   "CLOSE-WAIT",   "LAST-ACK",
    "LISTEN",     "CLOSING",     "NEW",
};

/* include/uapi/linux/tcp.h: enum tcp_ca_state. */
static const char *const congestion_states[] = {"open", "disorder", "cwr", "recovery",
                                                "loss"};

static void set_name(lua_State *L, const char *field, const char *const *names,
                     size_t count, size_t i) {
  lua_pushstring(L, i < count ? names[i] : "UNKNOWN");
  lua_setfield(L, -2, field);
}

static lua_Integer number_at(const char *bytes, size_t size) {
  uint8_t u8;
  uint32_t u32;
  uint64_t u64;
  switch (size) {
  case sizeof u8: memcpy(&u8, bytes, size); return u8;
  case sizeof u32: memcpy(&u32, bytes, size); return u32;
  default: memcpy(&u64, bytes, size); return (lua_Integer)u64;
  }
}

static void set_options(lua_State *L, unsigned options) {
  static const struct {
    const char *name;
    unsigned bit;
  } bits[] = {
      {"ecn",            TCPI_OPT_ECN       },
      {"sack",           TCPI_OPT_SACK      },
      {"timestamps",     TCPI_OPT_TIMESTAMPS},
      {"window_scaling", TCPI_OPT_WSCALE    }
  };
  for (size_t i = 0; i < sizeof bits / sizeof *bits; i++) {
    lua_pushboolean(L, options & bits[i].bit);
    lua_setfield(L, -2, bits[i].name);
  }
}

void info_push(lua_State *L, const void *bytes, size_t len) {
  struct tcp_info info;
  memset(&info, 0, sizeof info);
  memcpy(&info, bytes, len < sizeof info ? len : sizeof info);
  lua_createtable(L, 0, sizeof fields / sizeof *fields + 8);
  set_name(L, "state", states, sizeof states / sizeof *states, info.tcpi_state);
  set_name(L, "congestion_state", congestion_states,
           sizeof congestion_states / sizeof *congestion_states, info.tcpi_ca_state);
  set_options(L, info.tcpi_options);
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    if (fields[i].offset + fields[i].size > len) continue;
    lua_pushinteger(L, number_at((const char *)&info + fields[i].offset, fields[i].size));
    lua_setfield(L, -2, fields[i].name);
  }
}
